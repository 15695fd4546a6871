"""Docstrings for Sphinx: they are plain text, in which indented lines are formulas or code, and `x` is code."""

from __future__ import annotations

import inspect
import re
from typing import Any


def as_rest(lines: list[str]) -> list[str]:
    """Return the lines of a docstring as reStructuredText: paragraphs, and indented blocks as they stand.

    A list of lines that begin with "* " stays one; every other mark of reStructuredText is written out.
    """
    made: list[str] = []
    inside = False  # an indented block
    for line in lines:
        indented = line.startswith(" ") and (
            inside or not made or not made[-1].strip() or not made[-1].startswith("* ")
        )
        if line.strip() and indented is not inside:
            made += ["", ".. code-block:: none", ""] if indented else [""]
            inside = indented
        made.append("    " + line if inside and line.strip() else _escaped(line))
    return [*made, ""]


def _escaped(line: str) -> str:
    """Return a line of prose with its code in double marks and all else that reStructuredText would read escaped."""
    parts = re.split(r"(`[^`]+`)", line)
    for number, part in enumerate(parts):
        mark = "* " if number == 0 and part.startswith("* ") else ""
        plain = re.sub(r"([*_|\\`])", r"\\\1", part[len(mark) :])
        parts[number] = f"`{part}`" if number % 2 else mark + plain
    return "".join(parts)


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the lines of a docstring in place."""
    lines[:] = as_rest(inspect.cleandoc("\n".join(lines)).splitlines())


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
