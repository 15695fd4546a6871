"""Build the docs site: python docs/site/build.py [--out build/site], which `make docs` runs.

The site is built beside the folder and takes its place in one piece; only an empty folder or an earlier site is
replaced. Exit status 1: Sphinx warned, or a page has a dead link or asks another host for something (check.py).
Exit status 2: the folder holds something else, or cannot be written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from check import problems
from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROJECT = "A DCGAN from scratch"  # as conf.py has it


def in_the_way(out: Path) -> str:
    """Return why a folder may not be replaced; an empty text where it is missing, empty, or an earlier site of ours."""
    if not out.exists():
        return ""
    if not out.is_dir():
        return "is a file"
    if (out / "searchindex.js").is_file() and (out / "objects.inv").is_file():
        with open(out / "objects.inv", "rb") as inventory:  # Sphinx's list of names; its head says of which project
            if f"# Project: {PROJECT}\n".encode() in inventory.read(500):
                return ""
    return "" if not any(out.iterdir()) else "is not empty, and holds no earlier site"


def build(out: Path) -> int:
    """Build the pages and put them in the place of a folder; return the exit status of Sphinx."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as made:
        site = Path(made, "site")
        words = ["-b", "html", "--fail-on-warning", "--fresh-env", "--quiet", "-c", str(HERE), "-d", f"{made}/doctrees"]
        status = build_main([*words, str(ROOT), str(site)])
        if (site / "objects.inv").exists():  # Sphinx came to its end; with warnings the pages are there, too
            if out.exists():
                shutil.rmtree(out)
            os.replace(site, out)
    return status


def main(argv: list[str] | None = None) -> int:
    """Build and check; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the docs site and check its links.")
    parser.add_argument("--out", type=Path, default=ROOT / "build/site", help="the folder of the site (build/site)")
    out = parser.parse_args(argv).out.resolve()
    try:
        if why := in_the_way(out):
            print(f"error: --out: {out} {why}: name a new or an empty folder", file=sys.stderr)
            return 2
        if build(out):
            return 1
    except OSError as error:
        print(f"error: --out: {out}: {error.strerror}: name a folder that can be written", file=sys.stderr)
        return 2
    found = problems(out)
    print("\n".join(found) or f"open {out / 'index.html'} in a browser")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
