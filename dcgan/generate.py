"""Draw new pictures with a trained generator: python -m dcgan.generate RUN --count N --out FILE.png|DIR"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dcgan import cli, images, options, presets, resuming, sampling, session
from dcgan.config import Config
from dcgan.device import choose_device
from dcgan.errors import UserError
from gpunet.layers import Sequential

EXAMPLES = """\
examples:
  python -m dcgan.generate runs/0003-dcgan64 --count 100 --out grid.png          one picture with 100 on it
  python -m dcgan.generate runs/0003-dcgan64 --count 5000 --out made/ --seed 1   made/000001.png and so on
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = cli.Parser(prog="python -m dcgan.generate", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", help="a run folder (its newest checkpoint) or a .h5 file")
    parser.add_argument("--count", metavar="N", default=64, help="how many pictures (64)")
    parser.add_argument("--out", metavar="FILE.png|DIR", required=True, help="one grid, or a folder of numbered files")
    parser.add_argument("--seed", metavar="N", default=0, help="another seed, other pictures (0)")
    parser.add_argument("--label", metavar="N", default=None, help="the class of all of them (each in turn)")
    cli.add_options(parser, "device", "implementation", "precision", "sampling_statistics")
    given = vars(parser.parse_args(arguments))
    count = options.named("--count", options.integer(1), given.pop("count"))
    seed = options.named("--seed", options.integer(0), given.pop("seed"))
    path, out = given.pop("run"), as_output(given.pop("out"))
    label = given.pop("label")
    G, config = trained_generator(path, given)
    write(out, pictures(G, config, count, seed, as_label(label, config)), count)
    session.say(f"{count:,} pictures by {path}: {out}")
    return 0


def as_label(label: str | None, config: Config) -> int | None:
    """Return --label as a number. Raises UserError where the run has no labels, or not this one."""
    if label is None:
        return None
    if config.classes is None:
        raise UserError(f"--label: the networks of {config.preset} are not told labels")
    return options.named("--label", options.integer(0, config.classes - 1), label)


def trained_generator(path: str, given: Mapping[str, Any]) -> tuple[Sequential, Config]:
    """Return G of a run or checkpoint, on its device, and its config with options given anew. Raises UserError."""
    found = resuming.find(path, lambda line: print(line, file=sys.stderr))
    if found.state is None:
        raise UserError(f"{path} has no checkpoint yet: train it first, with --resume {path}")
    config = replace(found.config, **{"precision": None, **given})  # what trained on a GPU may draw on a CPU
    device = choose_device(config)
    G = presets.find(config.preset).generator(config)
    with resuming.fitting(path):
        G.load_state_dict(found.state["gan"]["G"])
    return G.to(device), config


def pictures(
    G: Sequential, config: Config, count: int, seed: int, label: int | None = None
) -> Iterator[np.ndarray]:
    """Yield count pictures in batches, uint8 (n, H, W, C); more of the same seed begin with the same ones.

    label: the class of all of them; None: the classes in turn, if the network is told classes.
    """
    rng = np.random.default_rng(seed)
    for done in range(0, count, sampling.BATCH):  # whole batches, whose statistics the pictures may depend on
        labels = sampling.balanced_labels(sampling.BATCH, config, done)
        if label is not None:
            labels = np.full(sampling.BATCH, label, "int32")
        yield sampling.sample(G, sampling.draw_z(rng, sampling.BATCH, config), labels)[: count - done]


def as_output(out: str) -> Path:
    """Return the path of a .png file or a folder to make. Raises UserError for another picture format."""
    path = Path(out)
    if path.suffix.lower() in (".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"):
        raise UserError(f"--out: got '{out}', expected a .png file or a folder")
    if path.is_dir() if path.suffix.lower() == ".png" else path.is_file():
        raise UserError(f"--out: {out} is there already and is not a {'file' if path.is_dir() else 'folder'}")
    return path


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
