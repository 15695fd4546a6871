"""The list of commands: python -m dcgan"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

COMMANDS = ("train", "generate", "prepare", "summary", "compare", "gallery", "plot", "runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every command with the first line of its docstring; return the exit status 0."""
    print("Commands: python -m dcgan.NAME, or dcgan-NAME where the package is installed. Each has --help.\n")
    for name in COMMANDS:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))  # importing takes longer
        print(f"  {name:10} {(ast.get_docstring(tree) or '').splitlines()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
