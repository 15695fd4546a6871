"""Draw new pictures by a run's generator: python -m dcgan.generate RUN --out OUT"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dcgan import cli, generate_options, latent_walks, launch, picture_files, sampling, together, trained
from dcgan.address import Address
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.exchange import weights as exchange
from dcgan.generate_options import View
from dcgan.picture_files import PictureFiles
from dcgan.sampling_ranks import put_together, share
from dcgan.trained import Trained
from gpunet import distributed
from gpunet.layers import Sequential

EXAMPLES = """\
examples:
  python -m dcgan.generate RUN --count 100 --out grid.png      100 in a picture
  python -m dcgan.generate RUN --count 1 --scale 4 --out one.png
                                               one, four times as large
  python -m dcgan.generate RUN --count 5000 --out made/ --seed 1
                                               each as a file, named after its
                                               address
  python -m dcgan.generate --address 0003-dcgan64_500_1_12 --out again.png
                                               the picture of an address again
  python -m dcgan.generate RUN --seeds 1,5-9 --out seeds.png
                                               the first picture of each seed
  python -m dcgan.generate RUN --weights raw --out raw.png
                                               without the moving average
  python -m dcgan.generate RUN --mode sweep --out sweeps
                                               a grid for each number of z
  python -m dcgan.generate RUN --mode gif --dimensions 0,5,10-19 --out gifs
  python -m dcgan.generate RUN --mode merged-gif --out sweeps.gif
                                               all of them side by side
  python -m dcgan.generate RUN --mode interpolation --out ways.gif
                                               from z to z; ways.png: a row each

RUN is a folder such as runs/0003-dcgan64. Every PNG names its run, step,
weights, seed and index (the number of the picture among those of its seed, from
1) in its text chunks; joined, they are the address of the picture. --label
takes a name where the run knows the names of its classes, or traits such as
Smiling=1,Male=0.
"""
DIGITS = 6  # of an index in the names of files, so that these sort


@launch.on_all_ranks
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    path, view, by = launch.everywhere(opened, vars(launch.parsed(parser(), arguments)))
    with np.errstate(all="ignore"):  # what is too large is no news; NaN is told
        drawn = draw(view, by)
    cli.say(f"{drawn} by {path}: {view.out}")
    return 0


def opened(given: dict[str, Any]) -> tuple[str, View, Trained]:
    """Return the path and the generator of a command line's options, and what to draw. Raises UserError."""
    given.pop("ranks", None)  # launch.on_all_ranks has taken it
    path, view = given.pop("run"), View.take(given)
    if view.address:
        path = trained.checkpoint_of(view.address, path)
    elif path is None:
        raise UserError("expected a run folder or a checkpoint file, such as runs/0001-dcgan64, or --address")
    if view.mode != "grid":  # among nearly equal z the statistics of a batch would be those of next to nothing
        given.setdefault("sampling_statistics", "running")
    by = trained.load(path, given, view.weights)
    if view.address:
        require_at(view.address, path, by)
    return path, view, by


def require_at(address: Address, path: str, by: Trained) -> None:
    """Raise UserError where a picture is not by what was opened; a run folder may have been renamed, which is said."""
    by.require_at(address, renamed=not exchange.is_file(Path(path)))
    if address.run != by.run and not distributed.ranks().rank:
        print(f"the address names {address.run}: drawn by {path}, as if it were that run renamed", file=sys.stderr)


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.generate"
    usage = f"{prog} RUN_OR_CHECKPOINT --out FILE|DIR [options]"
    parser = cli.Parser(prog=prog, usage=usage, description=__doc__, epilog=EXAMPLES)
    help = "a run folder (its newest checkpoint), a .h5 file, or a file that dcgan.export wrote"
    parser.add_argument("run", metavar="RUN_OR_CHECKPOINT", nargs="?", help=help)
    generate_options.add_options(parser)
    network: Any = parser.add_argument_group("machine and network")
    cli.add_options(network, "device", "implementation", "conv", "sampling_statistics", "ranks")
    return parser


def draw(view: View, by: Trained) -> str:
    """Draw and write what is asked for; return what it is, in words. Raises UserError.

    All ranks call it: they share the pictures of a grid or a folder; rank 0 draws all else.
    """
    label = view.number_of_class(by.config, by.classes)
    which = latent_walks.dimensions(view.dimensions, by.config.z_dim)
    seeds = ",".join(map(str, view.seeds or [view.seed]))
    texts = {"run": by.run, "step": str(by.step), "weights": by.weights, "seed": seeds}
    if label is not None:
        texts["label"] = by.classes[label] if label < len(by.classes) else str(label)
    if view.overwrite and (others := together.on_first(picture_files.clear, view.out)):
        print(f"{others:,} other pictures stay in {view.out}", file=sys.stderr)
    files = PictureFiles(view.out, view.scale, view.fps, texts)
    if view.mode == "grid":
        return write_pictures(files, view, by, label)
    return together.on_first(write_walks, files, view, by, label, which) or ""


def write_walks(files: PictureFiles, view: View, by: Trained, label: int | None, which: Sequence[int]) -> str:
    """Write sweeps of the numbers `which` of z, or ways from z to z; return how many, in words."""
    config = by.config
    rng = np.random.default_rng(view.seed)
    if view.mode == "interpolation":
        zs = latent_walks.walk(sampling.draw_z(rng, view.rows + 1, config), view.count, config.z_dist)
        latent_walks.write_walk(files, drawn(by.G, zs, label), view.count)
        return f"{view.rows:,} x {view.count:,} pictures"
    z = sampling.draw_z(rng, 1, config)[0]
    sweeps = latent_walks.sweeps(lambda zs: one_class(by.G, zs, label), z, which, view.count, config.z_dist)
    if view.mode == "merged-gif":
        latent_walks.write_merged(files, which, sweeps, config.z_dist)
    else:
        latent_walks.write_each(files, which, sweeps, config.z_dist, gif=view.mode == "gif")
    return f"{len(which):,} x {view.count:,} pictures"


def one_class(G: Sequential, z: np.ndarray, label: int | None) -> np.ndarray:
    """Return the pictures of z (N, 1, 1, z_dim), all of one class if the network is told classes: (N, H, W, C)."""
    return sampling.sample(G, z, None if label is None else np.full(len(z), label, "int32"), strict=True)


def drawn(G: Sequential, z: np.ndarray, label: int | None) -> np.ndarray:
    """Return `one_class`, drawn batch by batch under a progress bar."""
    starts = tqdm(range(0, len(z), sampling.BATCH), unit="batch", disable=None)
    return np.concatenate([one_class(G, z[start : start + sampling.BATCH], label) for start in starts])


def pictures(
    G: Sequential, config: Config, count: int, seed: int, label: int | None = None, first: int = 0
) -> Iterator[np.ndarray]:
    """Yield count pictures in batches, uint8 (n, H, W, C); more of the same seed begin with the same ones.

    label: the class of all of them; None: the classes in turn, if the network is told classes. first: how many of the
    count are left out at the beginning, whole batches; the others are the same.
    """
    rng = np.random.default_rng(seed)
    skip(rng, config, first)
    for done in range(first, count, sampling.BATCH):
        yield _batch(G, config, rng, done, label)[: count - done]


def skip(rng: np.random.Generator, config: Config, first: int) -> None:
    """Draw the z of the first pictures, whole batches, which nobody asks for."""
    for _ in range(0, first, sampling.BATCH):
        sampling.draw_z(rng, sampling.BATCH, config)


def _batch(G: Sequential, config: Config, rng: np.random.Generator, done: int, label: int | None) -> np.ndarray:
    """Return the next pictures of rng, a whole batch, whose statistics they may depend on; `done` came before them."""
    labels = sampling.balanced_labels(sampling.BATCH, config, done)
    if label is not None:
        labels = np.full(sampling.BATCH, label, "int32")
    return sampling.sample(G, sampling.draw_z(rng, sampling.BATCH, config), labels, strict=True)


def picture(G: Sequential, config: Config, seed: int, index: int, label: int | None = None) -> np.ndarray:
    """Return the index-th picture, from 1, that `pictures` draws of a seed: uint8 (H, W, C)."""
    rng = np.random.default_rng(seed)
    place = (index - 1) % sampling.BATCH
    skip(rng, config, index - 1 - place)
    return _batch(G, config, rng, index - 1 - place, label)[place]


def first_pictures(G: Sequential, config: Config, seeds: Sequence[int], label: int | None) -> Iterator[np.ndarray]:
    """Yield in batches the first picture of each seed, the one that `pictures` begins with: uint8 (n, H, W, C)."""
    if config.sampling_statistics == "batch":  # a picture then depends on the others of its batch
        for seed in seeds:
            yield next(pictures(G, config, 1, seed, label))
        return
    if label is None and config.classes:
        label = 0
    for start in range(0, len(seeds), sampling.BATCH):
        some = seeds[start : start + sampling.BATCH]
        z = np.concatenate([sampling.draw_z(np.random.default_rng(seed), 1, config) for seed in some])
        yield one_class(G, z, label)


def write_pictures(files: PictureFiles, view: View, by: Trained, label: int | None) -> str:
    """Write pictures as one grid if files.out is a .png file, otherwise each as a file; return how many, in words.

    Each rank draws its share, and writes its own files.
    """
    count, ranks = len(view.seeds) if view.seeds else view.count, distributed.ranks()
    mine = share(count, ranks)
    bar = tqdm(asked_for(view, by, label, mine), total=len(mine), unit="picture", disable=True if ranks.rank else None)
    if files.out.suffix.lower() == ".png" and count > 1:
        rows = together.everywhere(lambda: np.stack(list(bar)) if mine else None)
        sheet = put_together(rows, count, ranks)
        together.on_first(lambda: files.png("", sheet, index=1 if view.seeds else f"1-{count}"))
    else:
        together.everywhere(write_files, files, view, by, label, mine, bar)
    return f"{count:,} picture{'s' if count > 1 else ''}"


def write_files(
    files: PictureFiles, view: View, by: Trained, label: int | None, mine: range, found: Iterable[np.ndarray]
) -> None:
    """Write pictures, those that `mine` names, each as a file named after its address."""
    for i, image in zip(mine, found, strict=True):
        first = view.address.index if view.address else 1
        where = by.address(view.seeds[i], 1, label) if view.seeds else by.address(view.seed, first + i, label)
        name = "" if files.out.suffix.lower() == ".png" else f"{where.text(DIGITS)}.png"
        files.png(name, image[np.newaxis], index=where.index, seed=where.seed, address=where.text())


def asked_for(view: View, by: Trained, label: int | None, mine: range) -> Iterator[np.ndarray]:
    """Yield those of the pictures of a view that `mine` names, uint8 (H, W, C) each."""
    if not mine:
        return
    if view.address:
        batches = iter([picture(by.G, by.config, view.seed, view.address.index, label)[np.newaxis]])
    elif view.seeds is None:
        batches = pictures(by.G, by.config, mine.stop, view.seed, label, mine.start)
    else:
        batches = first_pictures(by.G, by.config, view.seeds[mine.start : mine.stop], label)
    yield from (image for batch in batches for image in batch)


if __name__ == "__main__":
    sys.exit(main())
