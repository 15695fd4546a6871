"""Report runs in one HTML page: python -m dcgan.report RUN... [--out FILE]"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli
from dcgan.errors import UserError

MOST_RUNS = 24  # eight colours, each in three kinds of lines
EXAMPLES = """\
examples:
  python -m dcgan.report runs/0003-dcgan64     runs/0003-dcgan64/report.html
  python -m dcgan.report runs/0003-dcgan64 runs/0004-paper --out both.html
                                               two runs, side by side

The page shows the sample grids beside real pictures, with a slider; the curves
of every number in the log, with the values at the cursor; the options, and what
differs between the runs; files that were left out, and what ran where. It opens
in any browser, without a network. While a run trains, --report-every of
dcgan.train keeps its page up to date.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = parser().parse_args(arguments)
    from dcgan.reporting.contents import Watched, require_run
    from dcgan.reporting.page import page
    from dcgan.run.folder import RunDir
    from gpunet.files import write_atomically

    if len(given.runs) > MOST_RUNS:
        raise UserError(f"got {len(given.runs)} runs, expected at most {MOST_RUNS}")
    for path in given.runs:
        require_run(path)
    out = Path(given.out or (RunDir(given.runs[0]).report if len(given.runs) == 1 else "report.html"))
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise UserError(f"--out: got '{out}', expected a file name that ends in .html")
    if not out.parent.is_dir():
        raise UserError(f"--out: no such folder: {out.parent}")
    text = page([Watched(path).contents(len(given.runs)) for path in given.runs])
    write_atomically(out, text.encode())
    cli.say(f"report: {out}")
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.report", description=__doc__, epilog=EXAMPLES)
    parser.add_argument("runs", metavar="RUN", nargs="+", help="run folders")
    parser.add_argument("--out", metavar="FILE", help="the page (RUN/report.html; of several runs report.html)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
