"""A product on tensor cores: which lane holds which number

Tensor cores multiply two small matrices in one instruction of a whole warp: d (16 x 8) += a (16 x 8) b (8 x 8).
Each of the 32 lanes holds a part of each matrix, a fragment, and the hardware says which part. With g = lane / 4
and t = lane % 4, as (row, column) of the matrix:

    a[0] (g, t)    a[1] (g + 8, t)    a[2] (g, t + 4)    a[3] (g + 8, t + 4)          rows of a, and k
    b[0] (t, g)    b[1] (t + 4, g)                                                    k, and columns of b
    d[0] (g, 2t)   d[1] (g, 2t + 1)   d[2] (g + 8, 2t)   d[3] (g + 8, 2t + 1)         rows and columns of d

One warp computes c (16 x 8) = a (16 x K) b (K x 8). All three lie in memory row by row:

    a[row * K + k]      b[k * 8 + column]      c[row * 8 + column]

K is a multiple of 8: go along it in steps of 8, with the same d. mma_tf32(d, a, b) is the instruction. to_tf32(x)
makes of a float what it takes: a number with 10 bits behind the point instead of 23.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Mistake
from puzzles.kernels import SECTORS, Launched, Target

KERNEL, RESULTS = "product", ("c",)
K = 32  # of the case that is counted
TARGETS = [
    Target(
        "loads of the warp, for 8 numbers of k",
        lambda counts: counts["global load"].requests / (K / 8),
        6,
        "a lane loads its 4 numbers of a and 2 of b; without mma_tf32 it would need many more.",
    ),
    SECTORS[1]._replace(most=8, advice="two neighbours of a row of c go out by one lane."),
]
STUB = """
#include "device/tensor_core.cuh"

extern "C" __global__ void product(float* c, const float* a, const float* b, int K) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    float d[4] = {0, 0, 0, 0};
    for (int k = 0; k < K; k += 8) {
        unsigned left[4] = {0, 0, 0, 0};   // the fragment of a: to_tf32(a[...])
        unsigned right[2] = {0, 0};        // the fragment of b
        mma_tf32(d, left, right);
    }
    // write d to c
}
"""
HINT = """
In the loop, with r from 0 to 3 for a and from 0 to 1 for b:

    left[0] = to_tf32(a[g * K + k + t]);         left[1] the same in row g + 8; left[2] and left[3] with k + t + 4
    right[0] = to_tf32(b[(k + t) * 8 + g]);      right[1] with k + t + 4

d[0] goes to c[g * 8 + 2 * t], d[1] one place further, d[2] and d[3] eight rows below.
"""


def right(c: np.ndarray, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Return c."""
    return a @ b


def cases() -> list[Launched]:
    """Return products of small whole numbers, which tf32 holds exactly."""
    found = []
    for k in (8, K):
        rng = np.random.default_rng(k)
        a, b = rng.integers(-4, 5, (16, k)).astype("float32"), rng.integers(-4, 5, (k, 8)).astype("float32")
        words = f"a (16, {k}) and b ({k}, 8) of whole numbers from -4 to 4, one warp"
        found.append(Launched(words, 1, 32, (np.full((16, 8), np.nan, "float32"), a, b, k)))
    return found


def _swapped(c: np.ndarray, a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Return c where a[1] and a[2] have changed places: the rows from 8 on and the k's from 4 on of each step."""
    eight = a.reshape(2, 8, k // 8, 2, 4)  # rows, eight of them; steps, halves of k, four k's
    return eight.transpose(3, 1, 2, 0, 4).reshape(16, k) @ b


def _steps(b: np.ndarray) -> np.ndarray:
    """Return b with each of its 8 x 8 pieces transposed."""
    return np.concatenate([piece.T for piece in np.split(b, len(b) // 8)])


MISTAKES = {
    "c": [
        Mistake("has a[1] and a[2] the wrong way round: a[1] is 8 rows further down, a[2] 4 places on in k.", _swapped),
        Mistake("takes b transposed: b[0] is row t (of k), column g.", lambda c, a, b, k: a @ _steps(b)),
        Mistake("is all 0: the fragments of a and b are still to be loaded.", lambda c, a, b, k: np.zeros((16, 8))),
        Mistake("is the product of the first 8 numbers of k alone: add the loop's k to t.",
                lambda c, a, b, k: a[:, :8] @ b[:8] * (k // 8)),
        Mistake("is the product of the last 8 numbers of k alone: keep d from step to step.",
                lambda c, a, b, k: a[:, -8:] @ b[-8:]),
        Mistake("has d[1] and d[2] the wrong way round: d[1] is one column further, d[2] 8 rows further down.",
                lambda c, a, b, k: _exchanged(a @ b)),
    ]
}  # fmt: skip


def _exchanged(c: np.ndarray) -> np.ndarray:
    """Return c where the odd columns of the rows below 8 and the even ones of the others have changed places."""
    parts = c.reshape(2, 8, 4, 2)  # rows, eight of them; pairs of columns
    return parts.transpose(3, 1, 2, 0).reshape(16, 8)
