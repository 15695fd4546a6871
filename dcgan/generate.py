"""Draw new pictures with a trained generator: python -m dcgan.generate RUN [--mode MODE] --out FILE|DIR"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dcgan import cli, generate_options, images, latent_walks, presets, sampling
from dcgan.config import Config
from dcgan.device import choose_device
from dcgan.errors import UserError
from dcgan.generate_options import View
from dcgan.run import resume
from gpunet.layers import Sequential

EXAMPLES = """\
examples:
  python -m dcgan.generate runs/0003-dcgan64 --count 100 --out grid.png          one picture with 100 on it
  python -m dcgan.generate runs/0003-dcgan64 --count 5000 --out made/ --seed 1   made/000001.png and so on
  python -m dcgan.generate runs/0003-dcgan64 --mode sweep --out sweeps           a grid for each number of z
  python -m dcgan.generate runs/0003-dcgan64 --mode gif --dimensions 0,5,10-19 --out sweeps
  python -m dcgan.generate runs/0003-dcgan64 --mode merged-gif --out sweeps.gif  all of them side by side
  python -m dcgan.generate runs/0003-dcgan64 --mode interpolation --out ways.gif from z to z; ways.png: a row each
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m dcgan.generate", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", help="a run folder (its newest checkpoint) or a .h5 file")
    generate_options.add_options(parser)
    cli.add_options(parser, "device", "implementation", "conv", "sampling_statistics")
    given = vars(parser.parse_args(arguments))
    path, view = given.pop("run"), View.take(given)
    if view.mode != "grid":  # among nearly equal z the statistics of a batch would be those of next to nothing
        given.setdefault("sampling_statistics", "running")
    cli.say(f"{draw(view, *trained_generator(path, given))} by {path}: {view.out}")
    return 0


def draw(view: View, G: Sequential, config: Config) -> str:
    """Draw and write what is asked for; return what it is, in words. Raises UserError."""
    label, count, z_dist = view.number_of_class(config), view.count, config.z_dist
    if view.mode == "grid":
        write(view.out, pictures(G, config, count, view.seed, label), count)
        return f"{count:,} pictures"
    rng = np.random.default_rng(view.seed)

    def drawn(z: np.ndarray) -> np.ndarray:
        return sampling.sample(G, z, None if label is None else np.full(len(z), label, "int32"))

    if view.mode == "interpolation":
        zs = latent_walks.walk(sampling.draw_z(rng, view.rows + 1, config), count, z_dist)
        latent_walks.write_walk(view.out, drawn(zs), count, view.fps)
        return f"{view.rows:,} x {count:,} pictures"
    which, z = latent_walks.dimensions(view.dimensions, config.z_dim), sampling.draw_z(rng, 1, config)[0]
    sweeps = latent_walks.sweeps(drawn, z, which, count, z_dist)
    if view.mode == "merged-gif":
        latent_walks.write_merged(view.out, sweeps, view.fps)
    else:
        latent_walks.write_each(view.out, which, sweeps, view.fps if view.mode == "gif" else None)
    return f"{len(which):,} x {count:,} pictures"


def trained_generator(path: str, given: Mapping[str, Any]) -> tuple[Sequential, Config]:
    """Return G of a run or checkpoint, on its device, and its config with options given anew. Raises UserError."""
    found = resume.find(path, lambda line: print(line, file=sys.stderr))
    if found.state is None:
        raise UserError(f"{path} has no checkpoint yet: train it first, with --resume {path}")
    config = replace(found.config, **{"precision": None, **given})  # what trained on a GPU may draw on a CPU
    device = choose_device(config)
    G = presets.find(config.preset).generator(config)
    with resume.fitting(path):
        G.load_state_dict(found.state["gan"]["G"])
    return G.to(device), config


def pictures(G: Sequential, config: Config, count: int, seed: int, label: int | None = None) -> Iterator[np.ndarray]:
    """Yield count pictures in batches, uint8 (n, H, W, C); more of the same seed begin with the same ones.

    label: the class of all of them; None: the classes in turn, if the network is told classes.
    """
    rng = np.random.default_rng(seed)
    for done in range(0, count, sampling.BATCH):  # whole batches, whose statistics the pictures may depend on
        labels = sampling.balanced_labels(sampling.BATCH, config, done)
        if label is not None:
            labels = np.full(sampling.BATCH, label, "int32")
        yield sampling.sample(G, sampling.draw_z(rng, sampling.BATCH, config), labels)[: count - done]


def write(out: Path, batches: Iterator[np.ndarray], count: int) -> None:
    """Write pictures as one grid if `out` is a .png file, otherwise as out/000001.png, out/000002.png ..."""
    if out.suffix.lower() == ".png":
        out.parent.mkdir(parents=True, exist_ok=True)
        images.save_png(out, images.grid(np.concatenate(list(batches))))
        return
    out.mkdir(parents=True, exist_ok=True)
    each = (image for batch in batches for image in batch)
    for i, image in enumerate(tqdm(each, total=count, unit="picture", disable=None), 1):
        images.save_png(out / f"{i:06d}.png", image)


if __name__ == "__main__":
    sys.exit(main())
