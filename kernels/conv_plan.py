"""How a convolution is cut up for a GPU: the tile of the result that a block computes, and the splits of its sum.

Chosen by the sizes alone, so that the numbers that come out do not depend on the machine.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

Pair = tuple[int, int]

BLOCKS = 256  # occupy a large GPU: two for each of about 128 multiprocessors
SHORTEST = 256  # k's that a split should have at least, to be worth its share of the final sum


class Tile(NamedTuple):
    """A block's piece of the result, and its threads (conv2d.cu, conv_mma.cuh)."""

    name: str
    rows: int
    columns: int
    threads: int

    def grid(self, m: int, n: int, phases: int) -> Pair:
        """Return the tiles along both directions of `phases` results (M, N)."""
        return phases * -(-m // self.rows), -(-n // self.columns)


WIDE, SMALL, NARROW = Tile("wide", 128, 128, 256), Tile("small", 64, 64, 128), Tile("narrow", 128, 8, 128)


class Plan(NamedTuple):
    """How a product is cut up: the tile, and the number of ranges of k."""

    tile: Tile
    splits: int


@functools.cache
def plan(m: int, n: int, k: int, phases: int = 1) -> Plan:
    """Choose by the sizes alone, so that results do not depend on the machine: `phases` products (M, N) over K.

    Large tiles read the least; they are taken if splitting K makes enough of them to occupy a GPU.
    """
    if n <= NARROW.columns:
        return Plan(NARROW, _splits(NARROW.grid(m, n, phases), k))
    grid = WIDE.grid(m, n, phases)
    wide = Plan(WIDE, _splits(grid, k))
    if min(m, n) > SMALL.rows and grid[0] * grid[1] * wide.splits >= BLOCKS // 2:
        return wide
    return Plan(SMALL, _splits(SMALL.grid(m, n, phases), k))


def _splits(grid: Pair, k: int) -> int:
    return max(1, min(BLOCKS // (grid[0] * grid[1]), k // SHORTEST))
