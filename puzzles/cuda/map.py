"""Map: one thread for each number

A kernel is the program of one thread. The launch says how many threads run it: gridDim.x blocks of blockDim.x
threads. Each thread finds out who it is by blockIdx.x, the number of its block, and threadIdx.x, its number in the
block, both from 0 on.

Write the leaky ReLU: y[i] = x[i] where x[i] > 0, else slope * x[i]. There are exactly as many threads as numbers:
thread t of block b takes number i = b * blockDim.x + t. `real` is float here.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import SECTORS, Launched

KERNEL, RESULTS, TARGETS = "leaky_relu", ("y",), SECTORS
STUB = """
extern "C" __global__ void leaky_relu(real* y, const real* x, real slope) {
    // your lines
}
"""
HINT = """
The number of this thread among all of them is

    const int i = blockIdx.x * blockDim.x + threadIdx.x;

One more line reads x[i] and writes y[i]. `condition ? this : that` chooses between two numbers.
"""


def right(y: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    """Return y."""
    return np.where(x > 0, x, np.float32(slope) * x)


def cases() -> list[Launched]:
    """Return a launch to follow by hand, and a larger one."""
    by_hand = np.array([1, -1, 2, -2, 3, -3, 4, -4], "float32")
    random = np.random.default_rng(1).standard_normal(512).astype("float32")
    empty = np.full(512, np.nan, "float32")
    return [
        Launched("x = [1, -1, 2, -2, 3, -3, 4, -4], slope 0.5, 2 blocks of 4 threads", 2, 4, (empty[:8], by_hand, 0.5)),
        Launched("512 random numbers, slope 0.2, 4 blocks of 128 threads", 4, 128, (empty, random, 0.2)),
    ]


def _first_block(y: np.ndarray, x: np.ndarray, slope: float) -> np.ndarray:
    block = 4 if len(x) == 8 else 128
    return np.where(np.arange(len(x)) < block, right(y, x, slope), np.nan)


MISTAKES = {
    "y": [
        Mistake("is filled by the first block's numbers alone: threadIdx.x begins at 0 in every block, so add "
                "blockIdx.x * blockDim.x.", _first_block),
        Mistake("is a copy of x: where x is not above 0 it is slope * x.", lambda y, x, slope: x),
        Mistake("is the ReLU: where x is not above 0 it is slope * x, not 0.", lambda y, x, slope: np.maximum(x, 0)),
        Mistake("is multiplied by slope where x is above 0; it is the other way round.",
                lambda y, x, slope: np.where(x > 0, np.float32(slope) * x, x)),
    ]
}  # fmt: skip
