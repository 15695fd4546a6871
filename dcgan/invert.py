"""Find the z of your own pictures: python -m dcgan.invert RUN PICTURE --out DIR"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dcgan import cli
from dcgan.inversion import command
from dcgan.inversion.command import Asked, side_by_side
from dcgan.inversion.search import Found, search
from dcgan.inversion.start import psnr

EXAMPLES = """\
examples:
  python -m dcgan.invert RUN me.jpg --out found/
  python -m dcgan.invert RUN faces/*.png --out found/ --steps 500 --starts 8
  python -m dcgan.invert RUN me.jpg --out found/ --features-weight 0.1
                                               likeness by D's maps, too
  python -m dcgan.invert RUN shirt.png --out found/ --label Shirt

DIR gets sheet.png, each picture beside G's picture and how near it is in dB
(30: hard to tell apart); convergence.gif, how the search went; z.npy, an array
(N, z_dim), which run.generator of dcgan.load draws; and found.json, what was
found in numbers. docs/invert.md says what can be found and what cannot.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    asked = command.take(parser().parse_args(arguments), "dcgan.invert")
    found = search(asked.run.networks(), asked.effort, asked.targets, asked.labels, progress=True)
    cli.say(f"{_write(asked, found)}: {asked.files.out}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.invert", description=__doc__, epilog=EXAMPLES)
    command.add_options(parser, prior=0.0)
    return parser


def _write(asked: Asked, found: Found) -> str:
    """Write all files; return what was found, in words."""
    near = psnr(found.frames[-1], asked.pictures)
    shown = [side_by_side(asked.pictures, frame) for frame in found.frames]
    captions = [f"{value:.1f} dB" for value in near]
    if found.labels is not None:
        captions = [f"{asked.run.labels[i]}, {text}" for i, text in zip(found.labels, captions, strict=True)]
    asked.files.png("sheet.png", shown[-1], captions=captions, seed=asked.effort.seed)
    command.write(asked, found, [{"psnr": round(float(value), 2)} for value in near], shown)
    return f"{len(near):,} picture{'s' if len(near) > 1 else ''}, mean PSNR {near.mean():.1f} dB"


if __name__ == "__main__":
    sys.exit(main())
