"""Make docs/notebook.ipynb of docs/notebook.py: python docs/make_notebook.py

notebook.py is in the percent format, which editors and jupytext know: "# %%" begins a cell of code, "# %% [markdown]" a
cell of text whose lines begin with "# ". The notebook holds no outputs.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE, NOTEBOOK = HERE / "notebook.py", HERE / "notebook.ipynb"
MARK = re.compile(r"^# %%(?P<markdown> \[markdown\])?$", re.M)


def notebook(text: str) -> dict[str, Any]:
    """Return the notebook (nbformat 4.4) of a text in the percent format."""
    marks = list(MARK.finditer(text))
    if not marks or text[: marks[0].start()].strip():
        raise ValueError("expected '# %%' at the beginning")
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    cells = [cell(text[mark.end() : end], mark["markdown"]) for mark, end in zip(marks, ends, strict=True)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }


def cell(text: str, markdown: str | None) -> dict[str, Any]:
    """Return a cell of these lines, text or code."""
    text = text.strip("\n")
    if markdown:
        text = re.sub(r"^# ?", "", text, flags=re.M)
        return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}
    source = text.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}


def as_json(made: dict[str, Any]) -> str:
    """Return a notebook as its file holds it."""
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the notebook; return the exit status."""
    NOTEBOOK.write_text(as_json(notebook(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"made {NOTEBOOK}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
