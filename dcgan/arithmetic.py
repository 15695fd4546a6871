"""Add and subtract kinds of pictures by their z: python -m dcgan.arithmetic RUN"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan import cli, generate, options
from dcgan.errors import UserError
from dcgan.experiments import command, picking
from dcgan.experiments.command import Sheet
from dcgan.trained import Trained

EXAMPLES = """\
examples:
  python -m dcgan.arithmetic RUN --out numbers.png
                               without z: pictures with numbers to pick from
  python -m dcgan.arithmetic RUN --plus 1,5,9 --minus 2,3,8 --plus 4,6,7 \\
      --out sum.png            mean z of each list; the sum, drawn, with
                               eight neighbours; the same sum of pixels

A number is that of a picture of --seed, as dcgan.generate counts them; the
address of a picture (dcgan.generate writes it into each file) does, too.
"""
NOISE = 0.25  # of the paper: neighbours lie within +-0.25 in every number of z
AROUND = 8  # neighbours


class Term(argparse.Action):
    """--plus or --minus: keeps the lists of both in the order in which they are given."""

    def __call__(self, parser: Any, given: argparse.Namespace, value: Any, option: str | None = None) -> None:
        """Add (option, list) to given.terms."""
        given.terms = [*given.terms, (option, value)]


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    sheet, seed = Sheet(given, "arithmetic"), command.number(given, "seed", options.integer(0), 0)
    count = command.number(given, "count", options.integer(1, picking.MOST), 64)
    noise = command.number(given, "noise", options.number("[0, 100]"), NOISE)
    by = command.opened(given)
    label = command.label_of(given, by)
    said = command.texts(by, seed=seed, label=label)
    if given.terms:
        if given.count is not None:
            raise UserError("--count: goes without --plus and --minus: leave it out")
        rows = result(by, given.terms, seed, noise, label)
        what = " ".join(f"{option[2:]} {text}" for option, text in given.terms)
        sheet.write(rows, {**said, "sum": what, "noise": noise})
        cli.say(f"{what} by {by.run}: {sheet.path}")
    else:
        contact_sheet(sheet, by, count, seed, label, said)
        cli.say(f"{count:,} pictures of seed {seed}, numbered from 1, by {by.run}: {sheet.path}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = command.parser("arithmetic", __doc__, EXAMPLES)
    parser.set_defaults(terms=[])
    for option, verb in (("--plus", "add"), ("--minus", "subtract")):
        help = f"pictures whose mean z to {verb}, such as 1,5,9; may be given again"
        parser.add_argument(option, metavar="LIST", action=Term, default=argparse.SUPPRESS, help=help)
    parser.add_argument("--seed", metavar="N", help="seed of the pictures that the numbers count (0)")
    parser.add_argument("--count", metavar="N", help="pictures to pick from (64)")
    parser.add_argument("--noise", metavar="X", help=f"neighbours differ by up to X in each number of z ({NOISE})")
    parser.add_argument("--label", metavar="NAME|N", help="class of all pictures, if the networks are told classes")
    command.add_picture_options(parser)
    return parser


def contact_sheet(sheet: Sheet, by: Trained, count: int, seed: int, label: int | None, said: dict[str, str]) -> None:
    """Write the first pictures of a seed, each over its number."""
    pictures = np.concatenate(list(generate.pictures(by.G, by.config, count, seed, label)))
    columns = int(np.ceil(np.sqrt(count)))
    cells = [(picture, str(number)) for number, picture in enumerate(pictures, 1)]
    sheet.write([cells[start : start + columns] for start in range(0, count, columns)], said)


def result(
    by: Trained, terms: list[tuple[str, str]], seed: int, noise: float, label: int | None
) -> list[list[tuple[np.ndarray | None, str]]]:
    """Return the rows of the sheet: every term with the picture of its mean z, then the sum.

        z = mean of the z of every --plus - mean of the z of every --minus

    The sum stands in the middle of its neighbours z + U(-noise, noise); right of them stands the sum of pixels.
    """
    rows: list[list[tuple[np.ndarray | None, str]]] = []
    z, pixels = np.zeros((1, 1, 1, by.config.z_dim)), 0.0
    for option, text in terms:
        names, zs = picking.picked(option, text, by, seed)
        mean, sign = zs.mean(axis=0, keepdims=True), -1 if option == "--minus" else 1
        drawn = generate.one_class(by.G, np.concatenate([zs, mean]).astype("float32"), label)
        z, pixels = z + sign * mean, pixels + sign * drawn[:-1].astype("float64").mean(axis=0)
        rows.append([*zip(drawn, [*names, f"{option[2:]} mean"], strict=True)])
    in_pixels = np.clip(np.round(pixels), 0, 255).astype("uint8")
    shifts = np.random.default_rng(seed).uniform(-noise, noise, (AROUND, 1, 1, by.config.z_dim))
    drawn = generate.one_class(by.G, np.concatenate([z, z + shifts]).astype("float32"), label)
    around = [(picture, "") for picture in drawn[1:]]
    middle = [around[3], (drawn[0], "sum of z"), around[4], (None, ""), (in_pixels, "sum of pixels")]
    return [*rows, [], around[:3], middle, around[5:]]


if __name__ == "__main__":
    sys.exit(main())
