"""The file of results: begun with the predictions, and rewritten whole after each section."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpunet.files import write_atomically


def write(path: Path, content: Any) -> None:
    """Write a JSON file under a temporary name first: whoever reads it finds all of it, or the one before."""
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def read(path: Path) -> dict[str, Any]:
    """Return the content of a results file. Raises ValueError where it is none, OSError where it cannot be read."""
    wanted = f"--report: got {path}, expected a file that benchmarks.gpu wrote: gpu.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, or lists within lists without end
        raise ValueError(f"{wanted} ({error})") from error
    if not _has(found, {"command": str, "scale": float | int, "predictions": dict, "sections": dict}):
        raise ValueError(wanted)
    for name, section in found["sections"].items():
        if not _has(section, {"status": str, "seconds": float | int, "results": dict}):
            raise ValueError(f"{wanted} (section {name} is not whole)")
    return found


def _has(found: Any, kinds: dict[str, Any]) -> bool:
    """Return whether a value is a dictionary with these keys, and under each a value of this kind."""
    return isinstance(found, dict) and all(isinstance(found.get(name), kind) for name, kind in kinds.items())


class Section:
    """The results of a section, kept in a file of its own while it runs: a deadline loses none of them."""

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, dict[str, Any]()

    def keep(self, **values: Any) -> None:
        """Add these values to the file."""
        self.content |= values
        write(self.path, self.content)

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Add a row to the list of this name."""
        self.keep(**{name: [*self.content.get(name, []), row]})
