"""Pack images into an HDF5 file: python -m dcgan.prepare --data PATH --out FILE.h5"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli, options
from dcgan.config import Config
from dcgan.data.formats import list_images
from dcgan.data.formats.hdf5 import SUFFIXES
from dcgan.data.opening import note_of
from dcgan.data.recipe import Choice, Recipe, absolute, with_recipe
from dcgan.data.storage.packed import PackedSource
from dcgan.data.storage.packing import pack
from dcgan.data.storage.reading import fingerprint, with_channels
from dcgan.errors import UserError
from dcgan.experiments import without_duplicates

EXAMPLES = """\
examples:
  python -m dcgan.prepare --data img_align_celeba.zip --crop 108 --out faces.h5
  python -m dcgan.train --data faces.h5
  python -m dcgan.prepare --data photos/ --image-size 48x64 --out photos.h5
  python -m dcgan.prepare --data bedroom_lmdb/ --recipe lsun --out bedrooms.h5
  python -m dcgan.prepare --data photos/ --dedup --out photos.h5

The file holds a uint8 data set "images" (N, H, W, C), and "labels" (N,) where
the data has them. A command that was stopped goes on where it was when it is
given again; until it is finished its file is called OUT.part.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = vars(parser().parse_args(arguments))
    workers, out = given.pop("workers"), as_packed(given.pop("out"))
    if workers is not None:
        workers = options.named("--workers", options.integer(1), workers)
    progress, once = not given.pop("no_progress"), given.pop("dedup")
    prepare(Config(**with_recipe(given)), out, workers, progress, once)
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.prepare", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("--data", metavar="PATH", required=True, help="pictures of any kind that dcgan.train takes")
    parser.add_argument("--workers", metavar="N", default=None, help="threads that decode (one per core)")
    parser.add_argument("--out", metavar="FILE.h5", required=True, help="the file to write")
    help = "leave out near duplicates, found by the codes of an autoencoder: docs/paper.md"
    parser.add_argument("--dedup", action="store_true", help=help)
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    cli.add_options(parser, "recipe", "image_size", "crop", "channels", "pattern", "labels", "train_size")
    return parser


def prepare(config: Config, out: Path, workers: int | None, progress: bool, once: bool = False) -> None:
    """Pack the images of config.data with its image size, crop and channels; print a summary and the skipped files.

    once: of near duplicates only the first.
    """
    assert config.data is not None
    listing = list_images(config.data, Choice(config.pattern, absolute(config.labels), config.train_size))
    recipe = with_channels(listing, Recipe(config.image_size, config.crop, config.channels))
    if note := note_of(listing, recipe):
        print(f"{config.data}: pictures {note}")
    if out.exists():
        expected = fingerprint(listing, recipe)
        require_same(out, without_duplicates.fingerprint(expected) if once else expected)
        print(f"{out} is finished already")
    elif once:
        without_duplicates.pack_once(listing, recipe, out, workers, progress)
    else:
        pack(listing, recipe, out, workers, progress)
    source = PackedSource(out)
    print(source.description)
    for name, reason in source.skipped[:10]:
        print(f"  skipped {name}: {reason}")
    if len(source.skipped) > 10:
        print(f"  and {len(source.skipped) - 10:,} more: all are in the file's data set 'skipped'")
    source.close()


def as_packed(out: str) -> Path:
    """Return the path of the file to pack into. UserError: it is no name of an HDF5 file."""
    path = Path(out)
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise UserError(f"--out: got '{out}', expected a file name ending in {' or '.join(SUFFIXES)}")
    return path


def require_same(out: Path, expected: str) -> None:
    """Raise UserError unless `out` holds these very images, packed with this recipe."""
    source = PackedSource(out)
    source.close()
    if source.fingerprint != expected:
        raise UserError(f"--out: {out} is there already and holds other images: remove it or choose another name")


if __name__ == "__main__":
    sys.exit(main())
