"""How a matrix product is cut for a GPU: a block's tile of the result, and ranges of the sum.

tiled.py and tensor_cores.py, which launch the convolutions, each have tiles and a `plan` of their own; this page holds
what both are made of. A product is out (M, N) = sum over K of left (M, K) right (K, N).
"""

from __future__ import annotations

from typing import NamedTuple

from gpunet.backend.sizes import Sizes


class Tile(NamedTuple):
    """A block's piece of the result, and how many threads compute it: a kernel's name ends with the tile's."""

    name: str
    rows: int
    columns: int
    threads: int

    def grid(self, m: int, n: int, phases: int) -> tuple[int, int]:
        """Return how many tiles lie along the rows and the columns of `phases` results (M, N)."""
        return phases * -(-m // self.rows), -(-n // self.columns)


class Plan(NamedTuple):
    """How a product is cut: the tile, and the number of ranges of K."""

    tile: Tile
    splits: int


class Phases(NamedTuple):
    """The products of an input gradient, one for each phase.

    Pixels with the same row and column modulo the stride meet the same taps: they are a phase, a product of its own.
    """

    number: int
    m: int  # pixels of the largest phase, of all images
    taps: int  # that reach it


def phases_of(g: Sizes) -> Phases:
    """Return the phases of a convolution's input gradient."""
    number = min(g.sh, g.h) * min(g.sw, g.w)
    return Phases(number, g.n * -(-g.h // g.sh) * -(-g.w // g.sw), -(-g.kh // g.sh) * -(-g.kw // g.sw))
