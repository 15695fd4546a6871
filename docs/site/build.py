"""Build the docs site: python docs/site/build.py [--out build/site], which `make docs` runs.

Exit status 1: Sphinx warned, or a page has a dead link or asks another host for something (check.py).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from check import problems
from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def build(out: Path) -> int:
    """Build the pages into a folder, which is emptied first; return the exit status."""
    shutil.rmtree(out, ignore_errors=True)
    words = ["-b", "html", "--fail-on-warning", "--fresh-env", "--quiet", "-c", str(HERE), "-d", f"{out}-doctrees"]
    return build_main([*words, str(ROOT), str(out)])


def main(argv: list[str] | None = None) -> int:
    """Build and check; return the exit status."""
    parser = argparse.ArgumentParser(description="Build the docs site and check its links.")
    parser.add_argument("--out", type=Path, default=ROOT / "build/site", help="the folder of the site (build/site)")
    out = parser.parse_args(argv).out.resolve()
    if build(out):
        return 1
    found = problems(out)
    print("\n".join(found) or f"open {out / 'index.html'} in a browser")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
