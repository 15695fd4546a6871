"""Tables as text for a terminal or as Markdown, and tables written into a page between two comments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpunet.files import write_atomically


def cell(value: Any) -> str:
    """Return a float with four digits, or two if it is below 1, and anything else as str."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 1 else f"{value:.2g}"
    return str(value)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], markdown: bool = False) -> str:
    """Return head and rows as lines with aligned columns: the first to the left, the others to the right."""
    lines = [[str(name) for name in head], *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in lines]
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in padded)
    rule = ["-" * width if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [padded[0], rule, *padded[1:]])


def show(report: Callable[[bool], str], name: str, page: Path | None) -> None:
    """Print report(False), or write report(True), which is Markdown, into a page by `write_between`.

    name: of the comments in the page; page: None to print.
    """
    if page:
        write_between(page, name, report(True))
    else:
        print(report(False))


def write_between(page: Path, name: str, text: str) -> None:
    """Replace the lines between `<!-- name -->` and `<!-- end of name -->` in a page by text.

    Raises ValueError unless the page has this pair of comments exactly once.
    """
    before = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)", re.S)
    after, count = pattern.subn(lambda match: f"{match[1]}{text}\n{match[2]}", before)
    if count != 1:
        raise ValueError(f"got {count} places in {page} between <!-- {name} --> and its end, expected one")
    write_atomically(page, after.encode())
