"""Draw the figures of the pages: python docs/figures.py [NAME ...] [--out DIR]

A family of drawings is a page of docs/drawings/. Its table FIGURES names the functions that draw, by the PNG that they
write; SOURCES names what else of the project decides what a figure shows. `python docs/pictures.py cells.png` draws
one, too, and notes in the PNG which program has drawn it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
PAGES = [page.stem for page in sorted((HERE / "drawings").glob("*.py")) if page.stem != "parts"]


def figures() -> dict[str, Callable[[Path], None]]:
    """Return the functions of all pages by the names of their figures, such as "lessons/backprop"."""
    found = [importlib.import_module(f"drawings.{page}").FIGURES for page in PAGES]
    return {name: draw for page in found for name, draw in page.items()}


def main() -> None:
    """Draw the figures that the command line names, or all."""
    known = figures()
    parser = argparse.ArgumentParser(description="Draw figures of docs/.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(known)} (all)")
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="folder for the PNGs (docs)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(known)}")
    for name in options.names or known:
        place = options.out / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        known[name](place)


if __name__ == "__main__":
    main()
