"""The list of commands, and completion for shells: python -m dcgan [--completion bash|zsh|fish]"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from dcgan import cli

COMMANDS = (
    "train", "generate", "prepare", "summary", "compare", "measure", "gallery", "plot", "report", "runs", "doctor",
    "export", "invert", "complete", "arithmetic", "turn", "neighbours", "features", "filters", "forget",
)  # fmt: skip
EPILOG = """\
for completion by the Tab key, write a script and have your shell read it:
  python -m dcgan --completion bash > ~/.dcgan.bash
  echo 'source ~/.dcgan.bash' >> ~/.bashrc
For zsh the last line of ~/.zshrc, behind compinit; for fish config.fish.
"""


@cli.guarded
def main(arguments: Sequence[str] | None = None) -> int:
    """Print every command with the first line of its docstring, or the script of a shell; return the exit status."""
    parser = cli.Parser(prog="python -m dcgan", description="List the commands.", epilog=EPILOG)
    parser.add_argument("--completion", metavar="SHELL", help="print the completion script of bash, zsh or fish")
    shell = parser.parse_args(arguments).completion
    if shell is not None:
        from dcgan import completion, options  # not above: the list needs no parsers

        print(completion.script(options.named("--completion", options.choice(*completion.SHELLS), shell), COMMANDS))
        return 0
    print("Commands: python -m dcgan.NAME, or dcgan-NAME where the package is installed. Each has --help.\n")
    for name in COMMANDS:
        tree = ast.parse(Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))  # importing takes longer
        print(f"  {name:10} {(ast.get_docstring(tree) or '').splitlines()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
