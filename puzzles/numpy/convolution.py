"""The backward pass of a convolution

Forward, with x (N, H, W, C), weight (KH, KW, C, F) and bias (F,):

    y[n, i, j, f] = bias[f] + sum over p, q, c of  x[n, h, w, c] weight[p, q, c, f],
                    with h = i stride + p - padding, w = j stride + q - padding

x counts as 0 beyond its edges, where the first `padding` rows and columns of zeros lie. Backward: dy (N, OH, OW, F)
holds the derivative of the loss by each number of y. Return dx (N, H, W, C), dweight (KH, KW, C, F) and dbias (F,).

Plain loops are a good first answer: visit each product x * weight of the forward pass again. dy times the one
factor is what the other factor gets.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import EMPTY_SLICE, NEGATIVE, Case, Mistake, both_sides, wrapped
from puzzles.arrays import Asked

FUNCTION, RESULTS = "conv2d_backward", ("dx", "dweight", "dbias")
STUB = """
def conv2d_backward(dy, x, weight, stride, padding):
    dx = None  # (N, H, W, C)
    dweight = None  # (KH, KW, C, F)
    dbias = None  # (F,)
    return dx, dweight, dbias
"""
HINT = """
Pad x first, and make dpadded, zeros of the shape of the padded x. Tap p, q saw these rows, and columns in the same way:

    rows = slice(p, p + OH * stride, stride)

Then dweight[p, q] (C, F) is the sum over n, i, j of padded[:, rows, columns] (N, OH, OW, C) times dy (N, OH, OW, F),
and

    dpadded[:, rows, columns] += dy @ weight[p, q].T

Windows overlap, so nothing but += is right. At the end the padding of dpadded is cut off.
"""


def right(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> tuple:
    """Return the three derivatives by loops."""
    return loops.conv2d_backward(dy, x, weight, (stride, stride), both_sides(padding))


def cases() -> list[Case]:
    """Return one case to follow by hand, and others with strides, padding and channels."""
    rng = np.random.default_rng(1)
    dy, x = np.array([2.0, 3.0]).reshape(1, 1, 1, 2), np.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    weight = np.stack([[1.0, 10.0, 100.0, 1000.0], np.ones(4)], axis=1).reshape(2, 2, 1, 2)
    words = "dy = [2, 3], x = 1 to 4 as 2 x 2 pixels, filters 1, 10, 100, 1000 and 1, 1, 1, 1, stride 1, padding 0"
    found = [Case(words, (dy, x, weight, 1, 0))]
    for N, H, C, k, F, stride, padding in ((1, 4, 1, 3, 1, 1, 0), (2, 6, 2, 4, 3, 2, 1), (2, 5, 3, 3, 2, 1, 1)):
        size = (H + 2 * padding - k) // stride + 1
        shapes = (N, size, size, F), (N, H, H, C), (k, k, C, F)
        words = f"random numbers: x {shapes[1]}, weight {shapes[2]}, stride {stride}, padding {padding}"
        found.append(Case(words, (*(rng.standard_normal(shape) for shape in shapes), stride, padding)))
    return found


def _dpadded(
    dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: int, padding: int, add: bool = True
) -> np.ndarray:
    """Return dx with its padding; add=False: each tap overwrites what the taps before it have left."""
    N, H, W, C = x.shape
    dpadded = np.zeros((N, H + 2 * padding, W + 2 * padding, C))
    for p, q in np.ndindex(weight.shape[:2]):
        rows = slice(p, p + dy.shape[1] * stride, stride), slice(q, q + dy.shape[2] * stride, stride)
        place = (slice(None), *rows)
        dpadded[place] = (dpadded[place] if add else 0) + dy @ weight[p, q].T
    return dpadded


def _cut(padded: np.ndarray, padding: int) -> np.ndarray:
    return padded[:, padding : padded.shape[1] - padding, padding : padded.shape[2] - padding]


def _from_the_end(padded: np.ndarray, padding: int) -> np.ndarray:
    """Return dx where what belongs to the zeros in front is added to the last rows and columns."""
    for axis in (1, 2):
        padded = np.moveaxis(padded, axis, 0)
        inside = padded[padding : len(padded) - padding].copy()
        inside[len(inside) - padding :] += padded[:padding]
        padded = np.moveaxis(inside, 0, axis)
    return padded


MISTAKES = {
    "dx": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: _from_the_end(_dpadded(dy, x, w, s, p), p)),
        Mistake("overwrites: windows overlap, so what a pixel gets from several places adds up. Use +=.",
                lambda dy, x, w, s, p: _cut(_dpadded(dy, x, w, s, p, add=False), p)),
        Mistake(EMPTY_SLICE, lambda dy, x, w, s, p: _dpadded(dy, x, w, s, p)[:, p:-p, p:-p]),
        Mistake("has the padding on still: cut `padding` rows and columns off each side.", _dpadded),
        Mistake("is cut at the end alone: place 0 of dx is place `padding` of the padded one.",
                lambda dy, x, w, s, p: _dpadded(dy, x, w, s, p)[:, : x.shape[1], : x.shape[2]]),
        Mistake("has the kernel turned round: tap p, q saw row i stride + p, and backward visits the same pairs.",
                lambda dy, x, w, s, p: right(dy, x, w[::-1, ::-1], s, p)[0]),
    ],
    "dweight": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: right(dy, wrapped(x, p, (1, 2)), w, s, 0)[1]),
        Mistake("is that of the first picture alone: all pictures use the weight.",
                lambda dy, x, w, s, p: right(dy[:1], x[:1], w, s, p)[1]),
        Mistake("is divided by the number of pictures. dy comes from a mean over the batch already: take the sum.",
                lambda dy, x, w, s, p: right(dy, x, w, s, p)[1] / len(x)),
        Mistake("is turned round: tap p, q saw pixel i stride + p - padding.",
                lambda dy, x, w, s, p: right(dy, x, w, s, p)[1][::-1, ::-1]),
    ],
    "dbias": [
        Mistake("is summed over the pictures alone: every pixel of y has the bias, too.",
                lambda dy, x, w, s, p: dy.sum(0)),
        Mistake("is the mean; the ways of all pictures and pixels add up: take the sum.",
                lambda dy, x, w, s, p: dy.mean((0, 1, 2))),
        Mistake("is that of the first picture alone.", lambda dy, x, w, s, p: dy[0].sum((0, 1))),
    ],
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check."""
    rng = np.random.default_rng(2)
    return Asked(
        lambda x, weight, bias: loops.conv2d(x, weight, bias, (2, 2), both_sides(1)),
        lambda dy, x, weight, bias: solve(dy, x, weight, 2, 1),
        weight=rng.standard_normal((4, 4, 2, 2)),
        bias=rng.standard_normal(2),
    ), rng.standard_normal((2, 4, 4, 2))
