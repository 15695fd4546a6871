"""A race to find: a barrier is missing

This kernel adds up neighbours: y[i] = x[i] + x[i + 1] + x[i + 2] for i < count; x has count + 2 numbers. (A
convolution with three taps of 1, and a pooling by the sum.) One block of 64 threads walks along x, 64 numbers at a
time. The threads load a piece into shared memory, with two numbers more, so that x is read once and not three
times.

Its results are right here, where threads run one after another. On a GPU they would be wrong now and then: a warp
that is ahead overwrites what another one still has to read. Find the place, and mend it by one line. The checker
sees all accesses; it counts the pairs of threads that touch one word, one of them writing, with no __syncthreads()
between.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import NO_CONFLICTS, Launched, Target

KERNEL, RESULTS = "neighbours", ("y",)
COUNT = 640  # of the case that is counted
TARGETS = [
    Target(
        "numbers loaded per result",
        lambda counts: counts["global load"].bytes / 4 / COUNT,
        1.05,
        "keep the piece in shared memory: each number of x is loaded once, but for two of each piece.",
    ),
    NO_CONFLICTS,
]
STUB = """
extern "C" __global__ void neighbours(real* y, const real* x, int count) {
    __shared__ real piece[66];
    const int t = threadIdx.x;
    for (int first = 0; first < count; first += 64) {
        if (first + t < count + 2) piece[t] = x[first + t];
        if (t == 63 && first + 64 < count + 2) piece[64] = x[first + 64];
        if (t == 63 && first + 65 < count + 2) piece[65] = x[first + 65];
        __syncthreads();
        if (first + t < count) y[first + t] = piece[t] + piece[t + 1] + piece[t + 2];
    }
}
"""
HINT = """
The barrier in the loop says: nobody adds before all have loaded. What says that nobody loads the next piece before
all have added? The second barrier stands at the end of the loop, outside of every condition.
"""


def right(y: np.ndarray, x: np.ndarray, count: int) -> np.ndarray:
    """Return y."""
    return x[:-2] + x[1:-1] + x[2:]


def cases() -> list[Launched]:
    """Return less than a piece, a piece and a bit, and ten pieces."""
    found = []
    for count in (5, 100, COUNT):
        x = np.random.default_rng(count).integers(-9, 10, count + 2).astype("float32")
        args = np.full(count, np.nan, "float32"), x, count
        found.append(Launched(f"count {count}, one block of 64 threads", 1, 64, args))
    return found


MISTAKES = {
    "y": [Mistake("is right in the first piece alone.", lambda y, x, count: np.append(right(y, x, count)[:64], y[64:]))]
}
