"""How a convolution is cut up for a GPU: the tile of the result that a block computes, and the splits of its sum.

Chosen by the sizes alone, so that the numbers that come out do not depend on the machine.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

BLOCKS = 128  # occupy a large GPU: about one for each multiprocessor
ENOUGH = 16  # with fewer blocks than this the next smaller tile is taken


class Tile(NamedTuple):
    """A block's piece of the result, and its threads (conv2d.cu, conv2d/mma.cuh)."""

    name: str
    rows: int
    columns: int
    threads: int

    def grid(self, m: int, n: int, phases: int) -> tuple[int, int]:
        """Return the tiles along both directions of `phases` results (M, N)."""
        return phases * -(-m // self.rows), -(-n // self.columns)

    def splits(self, m: int, n: int, k: int, phases: int) -> int:
        """Return into how many ranges the sum over K is cut: until there are BLOCKS blocks.

        But not so short that writing and reading the parts of the sum would cost a quarter of reading the factors.
        """
        down, across = self.grid(m, n, phases)
        shortest = 8 * self.rows * self.columns // (self.rows + self.columns)
        return max(1, min(BLOCKS // max(1, down * across), k // shortest))


WIDE, TALL = Tile("wide", 128, 128, 256), Tile("tall", 128, 64, 128)
SMALL, NARROW = Tile("small", 64, 64, 128), Tile("narrow", 128, 8, 128)


class Plan(NamedTuple):
    """How a product is cut up: the tile, and the number of ranges of k."""

    tile: Tile
    splits: int


@functools.cache
def plan(m: int, n: int, k: int, phases: int = 1) -> Plan:
    """Return the cut for `phases` products (M, N) over K: the largest tile that still gives work to enough blocks.

    A tile of R x C reads its factors M N K (1/R + 1/C) times: large tiles spare the memory, many blocks fill the GPU.
    """
    tile = NARROW if n <= NARROW.columns else WIDE if n > TALL.columns else TALL
    splits = tile.splits(m, n, k, phases)
    down, across = tile.grid(m, n, phases)
    if tile is not NARROW and (m <= SMALL.rows or down * across * splits < ENOUGH):
        tile, splits = SMALL, SMALL.splits(m, n, k, phases)
    return Plan(tile, splits)


def folding_reads_less(taps: int, c: int, f: int) -> bool:
    """Return whether an input gradient had better be one product, patches of all taps, and a fold of the patches.

    The kernel without patches reads each of dy's numbers once per tap, for one tile of columns: c numbers wide, mostly
    unused where c is 3. The fold reads dy once, and writes and reads taps * c numbers for each f of dy.
    """
    return c <= NARROW.columns and taps * f > 2 * (f + 2 * taps * c)
