"""Which puzzles the reader has solved: names in solved.json in the reader's folder."""

from __future__ import annotations

import json
from pathlib import Path

from dcgan.errors import UserError
from gpunet.files import write_atomically

FILE = "solved.json"
LARGEST = 10_000  # bytes of a file that can hold nothing but twenty names


def solved(folder: Path) -> list[str]:
    """Return the names of the solved puzzles. Raises UserError where the file holds something else."""
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        names = json.loads(path.read_text("utf-8")) if path.stat().st_size < LARGEST else None
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f'{path}: expected a list of names, as ["paint"]: delete the file to begin a new one')
    return names


def note(folder: Path, name: str) -> None:
    """Add a name to the solved puzzles."""
    names = solved(folder)
    if name not in names:
        write_atomically(folder / FILE, json.dumps([*names, name]).encode())
