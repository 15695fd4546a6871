"""Each lesson of the site offers itself as a notebook, which docs/lesson_notebooks.py makes when the site is built."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from source_pages import ROOT, place

sys.path.insert(0, str(ROOT / "docs"))

from lesson_notebooks import write  # noqa: E402

FOLDER = "docs/lessons"


def offer(app: Any, name: str, source: list[str]) -> None:
    """Put a link to the notebook below the title of a lesson."""
    if name.startswith(FOLDER):
        title, _, rest = source[0].partition("\n")
        source[0] = f'{title}\n<p><a href="{Path(name).name}.ipynb" download>This lesson as a notebook</a></p>\n{rest}'


def link(target: str) -> str:
    """Return where in the site a link of a lesson leads, from the folder of the lessons."""
    path = os.path.normpath(f"{FOLDER}/{target}")
    shown = path.removesuffix(".md") + ".html" if path.endswith(".md") else place(path)
    return os.path.relpath(shown, FOLDER)


def make(app: Any, error: Exception | None) -> None:
    """Write the notebooks beside the lessons."""
    if error is None:
        write(Path(app.outdir, FOLDER), link)


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", offer)
    app.connect("build-finished", make)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
