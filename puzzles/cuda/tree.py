"""A sum by a tree in shared memory

Batch norm's backward pass needs sums of products, dscale = sum of dy * x_hat. Write the sum of products of two
rows: block b computes y[b] = sum over i < count of a[b * count + i] * c[b * count + i], with 256 threads. count may
be any number.

First each thread adds up the products i = t, t + 256, t + 512 ... for itself and puts its sum into shared memory,
which all threads of the block see. Then the 256 sums are added by a tree: in the first step thread t < 128 adds
partial[t + 128] to partial[t], in the next one thread t < 64 adds partial[t + 64], and so on; at the end partial[0]
is the sum. Before each step all threads have to have finished the one before: __syncthreads() waits for all threads
of the block, and all of them have to reach it.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import NO_CONFLICTS, SECTORS, Launched, Target

KERNEL, RESULTS = "sum_of_products", ("y",)
ROWS, COUNT = 3, 600  # of the case that is counted
TARGETS = [
    SECTORS[0],
    NO_CONFLICTS,
    Target(
        "requests to shared memory, per block",
        lambda counts: (counts["shared load"].requests + counts["shared store"].requests) / ROWS,
        60,
        "the tree takes 8 steps, with fewer and fewer warps; one thread that adds 256 numbers takes 256 requests.",
    ),
]
STUB = """
extern "C" __global__ void sum_of_products(real* y, const real* a, const real* c, int count) {
    __shared__ real partial[256];
    const int t = threadIdx.x, b = blockIdx.x;
    // your lines
}
"""
HINT = """
First the sum of each thread, then the tree:

    real sum = 0;
    for (int i = t; i < count; i += 256) sum += ...;
    partial[t] = sum;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();
        if (t < half) partial[t] += partial[t + half];
    }

The barrier stands outside of the condition, so that all threads reach it. Only thread 0 writes y[b].
"""


def right(y: np.ndarray, a: np.ndarray, c: np.ndarray, count: int) -> np.ndarray:
    """Return y, added in float64."""
    return (a.astype("float64") * c).sum(1)


def cases() -> list[Launched]:
    """Return fewer numbers than threads, as many, and more."""
    rng, found = np.random.default_rng(1), []
    for rows, count in ((1, 3), (2, 256), (ROWS, COUNT)):
        a, c = rng.integers(-3, 4, (2, rows, count)).astype("float32")
        words = f"{rows} row{'s' if rows > 1 else ''} of {count} numbers, 256 threads for each"
        found.append(Launched(words, rows, 256, (np.full(rows, np.nan, "float32"), a, c, count)))
    return found


MISTAKES = {
    "y": [
        Mistake("is the sum of the first 256 products alone: go on with i + 256, i + 512 ... below count.",
                lambda y, a, c, count: (a * c)[:, :256].sum(1)),
        Mistake("is the sum of thread 0 alone: add up what the other threads have put into shared memory.",
                lambda y, a, c, count: (a * c)[:, ::256].sum(1)),
        Mistake("is the sum of a: multiply by c.", lambda y, a, c, count: a.sum(1)),
        Mistake("is that of the first row in every block: block b begins at b * count.",
                lambda y, a, c, count: np.repeat((a * c)[:1].sum(1), len(a))),
    ]
}  # fmt: skip
