"""Bounds: more threads than numbers

Adam keeps a moving average m of the gradients g: m[i] = b1 m[i] + (1 - b1) g[i]. There are `count` numbers, and the
last block has threads too many: 1000 numbers in blocks of 256 threads take 4 blocks, with 1024 threads. A thread
without a number has to do nothing. On a GPU its access would land in the memory of another array, or end the
program.

Write the kernel. m is read and written. The checker puts memory that belongs to nobody around m and g and watches
it.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import SECTORS, Launched

KERNEL, RESULTS, TARGETS = "moving_average", ("m",), SECTORS
STUB = """
extern "C" __global__ void moving_average(real* m, const real* g, int count, real b1) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    // your lines
}
"""
HINT = """
`if (i < count)` stands around everything that touches m or g. With count = 5 the last number is number 4, so
`i <= count` would be one too many.
"""


def right(m: np.ndarray, g: np.ndarray, count: int, b1: float) -> np.ndarray:
    """Return the new m."""
    rate = np.float32(b1)
    return rate * m + (1 - rate) * g


def cases() -> list[Launched]:
    """Return a launch to follow by hand, and a larger one; neither fills its last block."""
    m, g = np.array([[2, 2, 2, 2, 2], [4, 0, 2, -2, 6]], "float32")
    larger = np.random.default_rng(1).standard_normal((2, 1000)).astype("float32")
    return [
        Launched("count 5, m = [2, 2, 2, 2, 2], g = [4, 0, 2, -2, 6], b1 0.5, 2 blocks of 4", 2, 4, (m, g, 5, 0.5)),
        Launched("count 1000, random numbers, b1 0.9, 4 blocks of 256 threads", 4, 256, (*larger, 1000, 0.9)),
    ]


MISTAKES = {
    "m": [
        Mistake("is as it was: nothing has been written to it.", lambda m, g, count, b1: m),
        Mistake("forgets what it was before.", lambda m, g, count, b1: (1 - np.float32(b1)) * g),
        Mistake("has b1 and 1 - b1 the wrong way round.", lambda m, g, count, b1: right(m, g, count, 1 - b1)),
        Mistake("adds the whole gradient: it counts 1 - b1.", lambda m, g, count, b1: np.float32(b1) * m + g),
        Mistake("lacks its last number: i < count, not i < count - 1.",
                lambda m, g, count, b1: np.append(right(m, g, count, b1)[:-1], m[-1])),
    ]
}  # fmt: skip
