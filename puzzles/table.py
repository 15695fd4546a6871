"""The puzzles in the order in which they are meant to be solved."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from dcgan import options

SOLUTIONS = Path(__file__).with_name("solutions")


class Puzzle(NamedTuple):
    """A line of the list."""

    name: str
    kind: str  # "numpy" or "cuda"
    lessons: tuple[int, ...]  # of docs/lessons, behind which it can be solved

    @property
    def file_name(self) -> str:
        """Return the name of the reader's file."""
        return f"{self.name}.{'py' if self.kind == 'numpy' else 'cu'}"

    @property
    def solution(self) -> Path:
        """Return the file of the solution."""
        return SOLUTIONS / self.file_name

    def page(self) -> ModuleType:
        """Return the puzzle's page: its text is the docstring."""
        return importlib.import_module(f"puzzles.{self.kind}.{self.name}")

    @property
    def title(self) -> str:
        """Return the first line of the page."""
        return self.text.partition("\n")[0]

    @property
    def text(self) -> str:
        """Return what is to be done."""
        return (self.page().__doc__ or "").strip()

    @property
    def stub(self) -> str:
        """Return the text of the file that the reader fills in: what is to be done, as a comment, and the code."""
        code = self.page().STUB.lstrip("\n")
        if self.kind == "numpy":
            gap = "\n" if code.startswith("from ") else "\n\n\n"
            return f'"""{self.text}\n"""\n\nimport numpy as np{gap}{code}'
        return "\n".join(f"// {line}".rstrip() for line in self.text.splitlines()) + f"\n\n{code}"


def _all() -> tuple[Puzzle, ...]:
    numpy = {
        "chain": (1,), "linear": (1, 2), "leaky_relu": (2, 9), "loss": (2, 7), "im2col": (3,), "convolution": (3,),
        "paint": (4,), "paint_backward": (4,), "conv_transpose": (4,), "batchnorm": (5,), "adam": (6,), "frozen": (7,),
    }  # fmt: skip
    cuda = {
        "map": (8,), "bounds": (6, 8), "coalesced": (8,), "tree": (5, 8), "banks": (8,), "race": (8,),
        "tensor_core": (8,), "fused": (8, 9),
    }  # fmt: skip
    found = [Puzzle(name, "numpy", lessons) for name, lessons in numpy.items()]
    return tuple(found + [Puzzle(name, "cuda", lessons) for name, lessons in cuda.items()])


PUZZLES = _all()


def named(name: str) -> Puzzle:
    """Return the puzzle of a name, in which "-" stands for "_", too. Raises UserError where there is none."""
    plain, by_name = name.replace("-", "_").lower(), {puzzle.name: puzzle for puzzle in PUZZLES}
    if plain not in by_name:
        options.named("puzzle", options.choice(*by_name), name)  # raises
    return by_name[plain]
