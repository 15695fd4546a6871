"""Turn pictures from one kind to another: python -m dcgan.turn RUN"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from dcgan import cli, generate, options
from dcgan.experiments import command, picking
from dcgan.experiments.command import Sheet

EXAMPLES = """\
examples:
  python -m dcgan.arithmetic RUN --out numbers.png
                               pictures with numbers to pick from
  python -m dcgan.turn RUN --left 3,14,20,31 --right 5,9,12,40 --out turn.png
  python -m dcgan.turn RUN --left 3,14 --right 5,9 --pictures 1-4 \\
      --steps 9 --out turn.png

The turn vector is the mean z of --left minus the mean z of --right. A row shows
a picture as the vector is added to its z: from -1/2 of it to +1/2, so from what
--right shows to what --left shows. Both lists may be any two kinds of picture.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    sheet, seed = Sheet(given, "turn"), command.number(given, "seed", options.integer(0), 0)
    steps = command.number(given, "steps", options.integer(2, 1000), 9)
    far = command.number(given, "far", options.number("(0, 100]"), 1.0)
    by = command.opened(given)
    label = command.label_of(given, by)
    left, right = (picking.picked(f"--{side}", getattr(given, side), by, seed)[1] for side in ("left", "right"))
    names, zs = picking.picked("--pictures", given.pictures, by, seed)
    along = np.linspace(-far / 2, far / 2, steps)
    drawn = generate.one_class(by.G, turned(zs, left, right, along), label)
    captions = [f"{t:+.2f}" for t in along]
    rows = [
        list(zip(row, [f"{name}: {captions[0]}", *captions[1:]], strict=True))
        for name, row in zip(names, drawn.reshape(len(zs), steps, *drawn.shape[1:]), strict=True)
    ]
    what = {"seed": seed, "label": label, "left": given.left, "right": given.right, "turned": given.pictures}
    sheet.write(rows, command.texts(by, **what))
    cli.say(f"{len(zs):,} x {steps:,} pictures by {by.run}: {sheet.path}")
    return 0


def turned(zs: np.ndarray, left: np.ndarray, right: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return z + t (mean of left - mean of right) for each z (N, 1, 1, Z) and each t of along (T,): (N T, 1, 1, Z)."""
    vector = left.mean(axis=0) - right.mean(axis=0)  # (1, 1, Z)
    moved = zs[:, np.newaxis] + along[:, np.newaxis, np.newaxis, np.newaxis] * vector  # (N, T, 1, 1, Z)
    return moved.reshape(-1, *zs.shape[1:]).astype("float32")


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("turn", __doc__, EXAMPLES)
    help = "numbers of pictures that look to the {}, such as 1,5-9, or addresses"
    for side in ("left", "right"):
        parser.add_argument(f"--{side}", metavar="LIST", required=True, help=help.format(side))
    parser.add_argument("--pictures", metavar="LIST", default="1-6", help="pictures to turn (1-6)")
    parser.add_argument("--steps", metavar="N", help="pictures of each row (9)")
    parser.add_argument("--far", metavar="X", help="length of the way, in turn vectors (1)")
    parser.add_argument("--seed", metavar="N", help="seed of the pictures that the numbers count (0)")
    parser.add_argument("--label", metavar="NAME|N", help="class of all pictures, if the networks are told classes")
    command.add_picture_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
