"""The puzzles: python -m puzzles lists them, python -m puzzles NAME says what to do and checks your file."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli, options
from dcgan.errors import UserError
from gpunet.files import write_atomically
from puzzles import progress, run
from puzzles.table import PUZZLES, Puzzle, named

FOLDER = "my-puzzles"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = cli.Parser(prog="python -m puzzles", description=__doc__)
    add = parser.add_argument
    add("name", nargs="?", metavar="NAME", help="puzzle to check; without one all puzzles are listed")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--start", action="store_true", help="write the file to fill in, unless it is there already")
    what.add_argument("--hint", action="store_true", help="show the hint")
    what.add_argument("--solution", action="store_true", help="show the solution, after a question")
    add("--folder", default=FOLDER, metavar="DIR", help=f"folder of your files ({FOLDER})")
    limit = f"seconds that your code may take for each case ({run.LIMIT:g})"
    add("--limit", default=str(run.LIMIT), metavar="SECONDS", help=limit)
    return parser.parse_args(arguments)


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 1 where a checked puzzle is not solved."""
    given = parse(arguments)
    folder = _folder(given.folder)
    if given.name is None:
        if given.start or given.hint or given.solution:
            raise UserError("expected the name of a puzzle, as in: python -m puzzles --start paint")
        return _list(folder)
    puzzle = named(given.name)
    if given.start:
        return _start(puzzle, folder)
    if given.hint:
        cli.say(puzzle.page().HINT.strip())
        return 0
    if given.solution:
        return _solution(puzzle)
    return _check(puzzle, folder, options.named("--limit", options.number("(0, 100000)"), given.limit))


def _folder(name: str) -> Path:
    """Return the folder of the reader's files. Raises UserError where something else stands in its place."""
    folder = Path(name)
    for place in (folder, *folder.parents):
        if os.path.lexists(place) and not place.is_dir():
            raise UserError(f"--folder: got {name!r}, expected a folder: {place} is not one")
    return folder


def _list(folder: Path) -> int:
    solved = progress.solved(folder)
    cli.say("Puzzles: python -m puzzles --start NAME writes the file to fill in, python -m puzzles NAME checks it.")
    for kind, title in (("numpy", "In NumPy"), ("cuda", "In CUDA C++, without a GPU")):
        cli.say(f"\n{title}")
        for puzzle in (each for each in PUZZLES if each.kind == kind):
            mark = "x" if puzzle.name in solved else " "
            cli.say(f"  [{mark}] {puzzle.name:14} {puzzle.title}  (lesson {' and '.join(map(str, puzzle.lessons))})")
    done = sum(puzzle.name in solved for puzzle in PUZZLES)
    cli.say(f"\n{done} of {len(PUZZLES)} solved ({folder / progress.FILE})")
    return 0


def _start(puzzle: Puzzle, folder: Path) -> int:
    path = folder / puzzle.file_name
    if os.path.lexists(path):
        raise UserError(f"{path} is there already, and stays as it is: move it away to begin again")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, puzzle.stub.encode())
    cli.say(f"{path} says what to do. Fill it in, then: {_command(puzzle, folder)}")
    return 0


def _command(puzzle: Puzzle, folder: Path, option: str = "") -> str:
    own = "" if str(folder) == FOLDER else f" --folder {shlex.quote(str(folder))}"
    return f"python -m puzzles {option}{puzzle.name}{own}"


def _solution(puzzle: Puzzle) -> int:
    try:
        answer = input(f"Show the solution of {puzzle.name}? One learns more by finding it. Type yes to see it: ")
    except EOFError:
        answer = ""
    if answer.strip().lower() != "yes":
        cli.say("Not shown. --hint shows the hint.")
        return 0
    cli.say(puzzle.solution.read_text("utf-8"))
    return 0


def _check(puzzle: Puzzle, folder: Path, limit: float) -> int:
    path = folder / puzzle.file_name
    if os.path.lexists(path) and not path.is_file():
        raise UserError(f"{path} is not a file: move it away, then {_command(puzzle, folder, '--start ')} writes one")
    if not path.is_file():
        cli.say(f"{puzzle.text}\n\n{path} is not there yet: {_command(puzzle, folder, '--start ')} writes it.")
        return 0
    cli.say(f"{puzzle.name}: {puzzle.title}")
    solved, lines = run.check(puzzle.name, path, limit)
    for line in lines:
        cli.say(line)
    if not solved:
        cli.say(f"Not solved yet. {_command(puzzle, folder, '--hint ')} shows a hint.")
        return 1
    progress.note(folder, puzzle.name)
    cli.say("Solved." + _next(puzzle, folder))
    return 0


def _next(puzzle: Puzzle, folder: Path) -> str:
    """Return " Next: " and the command for the next open puzzle behind this one, or from the first on; "" for none."""
    solved, i = progress.solved(folder), PUZZLES.index(puzzle)
    still_open = [each for each in PUZZLES[i + 1 :] + PUZZLES[:i] if each.name not in solved]
    if not still_open:
        return ""
    begun = os.path.lexists(folder / still_open[0].file_name)
    return f" Next: {_command(still_open[0], folder, '' if begun else '--start ')}"


if __name__ == "__main__":
    sys.exit(main())
