"""List runs, their progress and newest pictures: python -m dcgan.runs [FOLDER]"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli
from dcgan.errors import UserError


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    folder = Path(parser().parse_args(arguments).folder)
    from dcgan.run.folder import RunDir
    from dcgan.run.overview import HEAD, line

    if not folder.is_dir():
        raise UserError(f"no such folder: {folder}")
    runs = [RunDir(path) for path in sorted(folder.iterdir()) if (path / "config.json").is_file()]
    if not runs:
        raise UserError(f"{folder} holds no run folder")
    cli.say(HEAD)
    for run in runs:
        cli.say(line(run))
    return 0


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    parser = cli.Parser(prog="python -m dcgan.runs", description=__doc__)
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="runs", help="folder of run folders (runs)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
