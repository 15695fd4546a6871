"""Fill a hole in a picture: python -m dcgan.complete RUN PICTURE --out DIR"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcgan import cli
from dcgan.inversion import command, masks
from dcgan.inversion.blending import blended
from dcgan.inversion.command import Asked, side_by_side
from dcgan.inversion.search import Found, search
from dcgan.inversion.start import psnr

PRIOR = 0.003
GREY = 128  # of missing pixels, where a picture with its hole is shown
EXAMPLES = """\
examples:
  python -m dcgan.complete RUN me.jpg --out filled/
                                               the middle is missing
  python -m dcgan.complete RUN me.jpg --mask random --out filled/
                                               80 % of the pixels are missing
  python -m dcgan.complete RUN me.jpg --mask hole.png --out filled/
                                               white in hole.png is missing

DIR gets a PNG for each picture, filled; sheet.png, each picture, with its hole,
as G draws it, and filled; convergence.gif, how the search went; z.npy and
found.json as of dcgan.invert. docs/invert.md says how it works.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    asked = command.take(given, "dcgan.complete")
    missing = masks.hole(given.mask, asked.recipe, asked.effort.seed)
    weights = np.repeat(masks.weights(missing)[np.newaxis], len(asked.names), axis=0)
    found = search(asked.run.networks(), asked.effort, asked.targets, asked.labels, weights, progress=True)
    _write(asked, found, missing)
    count = len(asked.names)
    cli.say(f"{count:,} picture{'s' if count > 1 else ''}, {missing.mean():.0%} of each filled: {asked.files.out}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.complete", description=__doc__, epilog=EXAMPLES)
    command.add_options(parser, prior=PRIOR)
    help = "pixels to fill: centre, box (somewhere), random, or a picture that is white there (centre)"
    parser.add_argument("--mask", metavar="NAME|FILE", default="centre", help=help)
    return parser


def _write(asked: Asked, found: Found, missing: np.ndarray) -> None:
    """Write all files."""
    shown = [np.where(missing[..., np.newaxis], GREY, asked.pictures).astype("uint8"), found.frames[-1]]
    filled = np.stack([blended(*pair, missing) for pair in zip(asked.pictures, found.frames[-1], strict=True)])
    for number, (name, picture) in enumerate(zip(asked.names, filled, strict=True), 1):
        asked.files.png(f"{number:02d}-{Path(name).stem}.png", picture[np.newaxis], picture=Path(name).name)
    asked.files.png("sheet.png", side_by_side(asked.pictures, *shown, filled), columns=1)
    near = psnr(filled, asked.pictures)
    on_the_way = [side_by_side(shown[0], np.where(missing[..., np.newaxis], x, asked.pictures)) for x in found.frames]
    command.write(asked, found, [{"psnr": round(float(value), 2)} for value in near], on_the_way)


if __name__ == "__main__":
    sys.exit(main())
