"""Coalescing: which thread takes which number of a matrix

x has `rows` rows of `channels` numbers, one row after the other: x[row * channels + c]. Write y = x + bias, where
bias has a number for each channel. The block has 32 x 32 threads: threadIdx.x and threadIdx.y go from 0 to 31. The
grid has blocks enough in both directions for 64 x 64 numbers, and some threads may have nothing to do.

One of threadIdx.x and threadIdx.y has to count rows, the other channels. Both ways give the right y. They differ in
speed: the 32 threads with neighbouring threadIdx.x are a warp, which loads together. Memory answers in sectors of
32 bytes, 8 numbers, and each sector that a warp touches is fetched once. The score counts the sectors of a load.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import SECTORS, Launched

KERNEL, RESULTS, TARGETS = "add_bias", ("y",), SECTORS
STUB = """
extern "C" __global__ void add_bias(real* y, const real* x, const real* bias, int rows, int channels) {
    // your lines
}
"""
HINT = """
Neighbouring threads, neighbouring addresses: which index of x[row * channels + c] moves by one number when c grows
by one? That one should come from threadIdx.x: c = blockIdx.x * blockDim.x + threadIdx.x. The row comes from
blockIdx.y, blockDim.y and threadIdx.y in the same way. Do nothing unless row < rows and c < channels.
"""


def right(y: np.ndarray, x: np.ndarray, bias: np.ndarray, rows: int, channels: int) -> np.ndarray:
    """Return y."""
    return x + bias


def cases() -> list[Launched]:
    """Return a small matrix, which is not square, and the one whose sectors are counted."""
    rng, found = np.random.default_rng(1), []
    for rows, channels, grid in ((2, 3, (1, 1)), (64, 64, (2, 2))):
        x, bias = (rng.integers(-9, 10, shape).astype("float32") for shape in ((rows, channels), channels))
        words = f"{rows} rows of {channels} channels, {grid[0]} x {grid[1]} blocks of 32 x 32 threads"
        found.append(Launched(words, grid, (32, 32), (np.full_like(x, np.nan), x, bias, rows, channels)))
    return found


def _of_rows(y: np.ndarray, x: np.ndarray, bias: np.ndarray, rows: int, channels: int) -> np.ndarray:
    """Return x plus bias[row], where there is such a number."""
    return x + np.pad(bias, (0, max(0, rows - channels)))[:rows, None]


MISTAKES = {
    "y": [
        Mistake("is a copy of x: the bias is missing.", lambda y, x, bias, rows, channels: x),
        Mistake("adds bias[row]; bias has a number for each channel.", _of_rows),
    ]
}
