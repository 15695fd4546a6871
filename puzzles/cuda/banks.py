"""Bank conflicts: a transpose through shared memory

Write the transpose: x has `rows` rows of `columns` numbers, y[c * rows + r] = x[r * columns + c]. A thread that
reads along a row of x writes along a column of y, or the other way round: one of the two touches 32 sectors. So a
block of 32 x 32 threads reads a tile of x by rows into shared memory, waits, and writes it to y by rows, reading
the tile by columns. Both sizes are multiples of 32. Block (blockIdx.x, blockIdx.y) takes the columns from 32
blockIdx.x and the rows from 32 blockIdx.y of x.

Shared memory has 32 banks: word w lies in bank w % 32, and a bank gives one word at a time. A column of a tile with
32 numbers in a row lies in one bank, so a warp that reads it waits 32 times, 31 of them too many: these are the
bank conflicts. How can the column be spread over all banks? It costs 32 numbers that are never used, or an xor.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import NO_CONFLICTS, SECTORS, Launched

KERNEL, RESULTS, TARGETS = "transpose", ("y",), [*SECTORS, NO_CONFLICTS]
STUB = """
extern "C" __global__ void transpose(real* y, const real* x, int rows, int columns) {
    __shared__ real tile[32][32];
    // your lines
}
"""
HINT = """
tile[threadIdx.y][threadIdx.x] = x[...] with row 32 blockIdx.y + threadIdx.y and column 32 blockIdx.x + threadIdx.x.
After the barrier the block writes row 32 blockIdx.x + threadIdx.y of y, column 32 blockIdx.y + threadIdx.x, and
takes tile[threadIdx.x][threadIdx.y]. With tile[32][33] each row begins one bank further.
"""


def right(y: np.ndarray, x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return y."""
    return x.T


def cases() -> list[Launched]:
    """Return one tile, and two by three of them."""
    found = []
    for rows, columns in ((32, 32), (64, 96)):
        x = np.arange(rows * columns, dtype="float32").reshape(rows, columns)
        words = f"x = 0, 1, 2 ... in {rows} rows of {columns} numbers, blocks of 32 x 32 threads"
        args = np.full((columns, rows), np.nan, "float32"), x, rows, columns
        found.append(Launched(words, (columns // 32, rows // 32), (32, 32), args))
    return found


def _tiles(y: np.ndarray, x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return y where each tile is in its place, but not turned."""
    four = x.reshape(rows // 32, 32, columns // 32, 32)
    return four.transpose(2, 1, 0, 3).reshape(columns, rows)


MISTAKES = {
    "y": [
        Mistake("is x as it was: nothing is turned.", lambda y, x, rows, columns: x.reshape(columns, rows)),
        Mistake("has its tiles in their places, but no tile is turned: read tile[threadIdx.x][threadIdx.y].", _tiles),
    ]
}
