"""Draw the losses of runs: python -m dcgan.plot RUN... [--out FILE.png]"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli
from dcgan.errors import UserError

EXAMPLES = """\
examples:
  python -m dcgan.plot runs/0003-dcgan64       as training draws its loss.png
  python -m dcgan.plot runs/0003-dcgan64 runs/0004-paper
                                               losses.png: both side by side on
                                               the same scale
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    from dcgan.config import Config
    from dcgan.run import log
    from dcgan.run.curves import curves_of, save_plot
    from dcgan.run.folder import RunDir

    runs = [RunDir(path) for path in given.runs]
    for run in runs:
        log.require(run.log)
    out = Path(given.out or (runs[0].plot if len(runs) == 1 else "losses.png"))
    if out.suffix.lower() != ".png" or out.is_dir():
        raise UserError(f"--out: got '{out}', expected a file name that ends in .png")
    save_plot(out, *(curves_of(run, Config.read(run.config).preset) for run in runs))
    cli.say(f"losses: {out}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.plot", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders")
    parser.add_argument("--out", metavar="FILE.png", help="the picture (RUN/loss.png; of several runs losses.png)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
