"""The backward pass of a transposed convolution in two dimensions

Forward, with x (N, H, W, C) and weight (KH, KW, F, C): note that the output's channels F come before the input's C.
Every pixel paints: for all n, i, j and all taps p, q

    weight[p, q] @ x[n, i, j], which are F numbers, is added to y[n, i stride + p - padding, j stride + q - padding]

if y has such a pixel. Then bias (F,) is added to every pixel. y is (N, OH, OW, F):

    OH = (H - 1) stride + KH - 2 padding        OW = (W - 1) stride + KW - 2 padding

Backward: dy (N, OH, OW, F) holds the derivative of the loss by each number of y. Return dx (N, H, W, C), dweight
(KH, KW, F, C) and dbias (F,). Loops over all pixels give the right answer, and are on the page of lesson 4. Try it with
a loop over the taps alone: for one tap, all pixels of x have painted at once, `stride` places apart. Read dy there.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import NEGATIVE, Case, Mistake, both_sides, wrapped
from puzzles.arrays import Asked

FUNCTION, RESULTS = "conv_transpose2d_backward", ("dx", "dweight", "dbias")
STUB = """
def conv_transpose2d_backward(dy, x, weight, stride, padding):
    dx = None  # (N, H, W, C)
    dweight = None  # (KH, KW, F, C)
    dbias = None  # (F,)
    return dx, dweight, dbias
"""
HINT = """
Put the pixels that were cut off back as zeros: np.pad(dy, ((0, 0), (padding, padding), (padding, padding), (0, 0))).
Tap p, q of all pixels of x fell on

    seen = padded[:, p : p + H * stride : stride, q : q + W * stride : stride]        (N, H, W, F)

So dx gets seen @ weight[p, q] by +=, and dweight[p, q] (F, C) is the sum over n, i, j of seen (F) times x (C).
"""


def right(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> tuple:
    """Return the three derivatives by loops."""
    return loops.conv_transpose2d_backward(dy, x, weight, (stride, stride), both_sides(padding))


def cases() -> list[Case]:
    """Return two cases to follow by hand, and random ones."""
    rng = np.random.default_rng(1)
    corner = np.stack([[1.0, 10.0, 100.0, 1000.0], np.ones(4)], axis=1).reshape(2, 2, 2, 1)
    strided = np.arange(1.0, 9.0).reshape(1, 2, 2, 2), np.arange(1.0, 5.0).reshape(1, 2, 2, 1), corner, 2, 1
    words = "dy = 1 to 8 as 2 x 2 pixels with F = 2, x = 1 to 4 as 2 x 2 pixels, "
    words += "weight = 1, 10, 100, 1000 for f = 0 and 1, 1, 1, 1 for f = 1, stride 2, padding 1"
    found = [Case(words, strided)]
    x, weight = np.array([1.0, 2.0]).reshape(1, 1, 2, 1), np.array([1.0, 10.0, 100.0, 1000.0]).reshape(2, 2, 1, 1)
    dy = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]).reshape(1, 2, 3, 1)
    words = "dy = [[1, 2, 3], [0, 1, 0]], x = [[1, 2]], weight = [[1, 10], [100, 1000]], stride 1, padding 0"
    found.append(Case(words, (dy, x, weight, 1, 0)))
    for N, H, C, K, F, stride, padding in ((2, 2, 3, 4, 2, 2, 1), (1, 3, 2, 5, 3, 2, 2), (2, 3, 2, 3, 2, 1, 0)):
        size = loops.transposed_size(H, K, stride, padding)
        shapes = (N, size, size, F), (N, H, H, C), (K, K, F, C)
        words = f"random numbers: x {shapes[1]}, weight {shapes[2]}, stride {stride}, padding {padding}"
        found.append(Case(words, (*(rng.standard_normal(shape) for shape in shapes), stride, padding)))
    return found


def overwritten(dy: np.ndarray, x: np.ndarray, weight: np.ndarray, stride: int, padding: int) -> tuple:
    """Return dx and dweight where each product covers the one before it, because of = instead of +=."""
    dx, dweight = np.zeros(x.shape), np.zeros(weight.shape)
    for n, i, j, p, q in np.ndindex(*x.shape[:3], *weight.shape[:2]):
        h, w = i * stride + p - padding, j * stride + q - padding
        if 0 <= h < dy.shape[1] and 0 <= w < dy.shape[2]:
            dx[n, i, j], dweight[p, q] = dy[n, h, w] @ weight[p, q], np.outer(dy[n, h, w], x[n, i, j])
    return dx, dweight


MISTAKES = {
    "dx": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: right(wrapped(dy, p, (1, 2)), x, w, s, 0)[0]),
        Mistake("keeps the last tap alone: = covers what is there already. The ways by all taps add up: use +=.",
                lambda *args: overwritten(*args)[0]),
        Mistake("has the kernel turned round: dx reads dy through the kernel as it is.",
                lambda dy, x, w, s, p: right(dy, x, w[::-1, ::-1], s, p)[0]),
        Mistake("has rows and columns of the kernel mixed up: p counts rows, q counts columns.",
                lambda dy, x, w, s, p: right(dy, x, w.transpose(1, 0, 2, 3), s, p)[0]),
        Mistake("is that of the last tap alone: the ways by all taps add up. Use +=.",
                lambda dy, x, w, s, p: right(dy, x, w * _last(w), s, p)[0]),
        Mistake("forgets the padding: tap 0, 0 of pixel 0, 0 falls on row -padding.",
                lambda dy, x, w, s, p: right(dy, x, w, s, 0)[0]),
    ],
    "dweight": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: right(wrapped(dy, p, (1, 2)), x, w, s, 0)[1]),
        Mistake("keeps the last pixel alone: = covers what is there already. All pixels use the weight: use +=.",
                lambda *args: overwritten(*args)[1]),
        Mistake("is that of the first picture alone: all pictures use the weight.",
                lambda dy, x, w, s, p: right(dy[:1], x[:1], w, s, p)[1]),
        Mistake("is divided by the number of pictures. dy comes from a mean over the batch already: take the sum.",
                lambda dy, x, w, s, p: right(dy, x, w, s, p)[1] / len(x)),
        Mistake("has its channels in the order C, F; weight has F before C.",
                lambda dy, x, w, s, p: right(dy, x, w, s, p)[1].swapaxes(2, 3)),
        Mistake("is turned round: tap p, q of pixel i, j falls on row i stride + p - padding.",
                lambda dy, x, w, s, p: right(dy, x, w, s, p)[1][::-1, ::-1]),
        Mistake("forgets the padding: tap 0, 0 of pixel 0, 0 falls on row -padding.",
                lambda dy, x, w, s, p: right(dy, x, w, s, 0)[1]),
    ],
    "dbias": [
        Mistake("is summed over the pictures alone: every pixel of y has the bias, too.",
                lambda dy, x, w, s, p: dy.sum(0)),
        Mistake("is summed over the pixels alone: every picture has the bias, too.",
                lambda dy, x, w, s, p: dy.sum((1, 2))),
        Mistake("is the mean; the ways of all pictures and pixels add up: take the sum.",
                lambda dy, x, w, s, p: dy.mean((0, 1, 2))),
    ],
}  # fmt: skip


def _last(weight: np.ndarray) -> np.ndarray:
    """Return 1 for the last tap and 0 for all others."""
    KH, KW = weight.shape[:2]
    return (np.arange(KH * KW) == KH * KW - 1).reshape(KH, KW, 1, 1)


def layer(solve):
    """Return the layer and the x for the gradient check: k4 s2 p1."""
    rng = np.random.default_rng(2)
    return Asked(
        lambda x, weight, bias: loops.conv_transpose2d(x, weight, bias, (2, 2), both_sides(1), (4, 6)),
        lambda dy, x, weight, bias: solve(dy, x, weight, 2, 1),
        weight=rng.standard_normal((4, 4, 2, 3)),
        bias=rng.standard_normal(2),
    ), rng.standard_normal((2, 2, 3, 3))
