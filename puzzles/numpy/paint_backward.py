"""The backward pass of that transposed convolution

Forward is the puzzle `paint`: number i of x paints the kernel w, scaled, on the places i stride to i stride + k of a
strip, and `padding` places are cut off at either end. So for every pair i, q

    x[i] w[q] is added to y[i stride + q - padding], if there is such a place

Backward: dy holds the derivative of the loss by each number of y. Return dx and dw, of the shapes of x and w.

With x = [a, b], w = [w0, w1, w2, w3], stride 2 and padding 1 the forward pass was

    y0 = a w1        y1 = a w2 + b w0        y2 = a w3 + b w1        y3 = b w2

Write down da, the derivative by a, first: a is in y0, y1 and y2. Then db, then dw0 to dw3. What does da do with dy?
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked
from puzzles.numpy import paint

FUNCTION, RESULTS = "paint_backward", ("dx", "dw")
STUB = """
def paint_backward(dy, x, w, stride, padding):
    dx = None  # the shape of x
    dw = None  # the shape of w
    return dx, dw
"""
HINT = """
da = dy0 w1 + dy1 w2 + dy2 w3: the places that a has painted, each times the number of the kernel that went there. That
is an ordinary convolution of dy, and the kernel is not turned round. Put the cut places back as zeros, np.pad(dy,
padding): then x[i] painted on strip = padded[i * stride : i * stride + len(w)], dx[i] is strip @ w, and dw gets
x[i] * strip from each i.
"""


def right(dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dx and dw by the loops of two dimensions, with one row."""
    arrays = dy.reshape(1, 1, -1, 1), x.reshape(1, 1, -1, 1), w.reshape(1, -1, 1, 1)
    dx, dw, _ = loops.conv_transpose2d_backward(*arrays, (1, stride), ((0, 0), (padding, padding)))
    return dx.ravel(), dw.ravel()


def cases() -> list[Case]:
    """Return a case to follow by hand, and the forward puzzle's others, all with a dy."""
    rng = np.random.default_rng(2)
    dy, x, w = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0]), np.array([1.0, 10.0, 100.0, 1000.0])
    found = [
        Case("dy = [1, 2, 3, 4], x = [1, 2], w = [1, 10, 100, 1000], stride 2, padding 1", (dy, x, w, 2, 1))
    ]
    for case in paint.cases()[1:]:
        dy = rng.standard_normal(len(paint.right(*case.args)))
        found.append(Case(f"{case.said}, random dy ({len(dy)},)", (dy, *case.args)))
    return found


def strips(dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, before: int, behind: int) -> np.ndarray:
    """Return (n, k): dy on the places that each number of x has painted, after so many zeros are put before and behind."""
    padded = np.pad(dy, (before, behind + len(x) * stride))
    return np.stack([padded[i * stride : i * stride + len(w)] for i in range(len(x))])


MISTAKES = {
    "dx": [
        Mistake("has the kernel backwards. dx[0] = dy0 w1 + dy1 w2 + dy2 w3: the same order as forward.",
                lambda dy, x, w, s, p: strips(dy, x, w, s, p, p) @ w[::-1]),
        Mistake("forgets the padding: x[0] painted its first number on place -padding of y.",
                lambda dy, x, w, s, p: strips(dy, x, w, s, 0, 2 * p) @ w),
        Mistake("lets the places of each x begin one after those of the x before it; it is `stride` places.",
                lambda dy, x, w, s, p: strips(dy, x, w, 1, p, p) @ w),
        Mistake("multiplies by x where it needs w: x[i] w[q] hands dy w[q] to x[i].",
                lambda dy, x, w, s, p: strips(dy, x, w, s, p, p).sum(1) * x),
        Mistake("forgets the kernel: each place counts w[q] times.", lambda dy, x, w, s, p: strips(dy, x, w, s, p, p).sum(1)),
    ],
    "dw": [
        Mistake("is that of the last x alone: every x uses the kernel, so it adds up. Use +=.",
                lambda dy, x, w, s, p: x[-1] * strips(dy, x, w, s, p, p)[-1]),
        Mistake("is that of the first x alone: every x uses the kernel.",
                lambda dy, x, w, s, p: x[0] * strips(dy, x, w, s, p, p)[0]),
        Mistake("forgets x: x[i] w[q] hands dy x[i] to w[q].", lambda dy, x, w, s, p: strips(dy, x, w, s, p, p).sum(0)),
        Mistake("is backwards: w[q] of x[i] lies on place i stride + q - padding.",
                lambda dy, x, w, s, p: (x @ strips(dy, x, w, s, p, p))[::-1]),
        Mistake("forgets the padding: x[0] painted its first number on place -padding of y.",
                lambda dy, x, w, s, p: x @ strips(dy, x, w, s, 0, 2 * p)),
        Mistake("lets the places of each x begin one after those of the x before it; it is `stride` places.",
                lambda dy, x, w, s, p: x @ strips(dy, x, w, 1, p, p)),
        Mistake("is the mean over the numbers of x; their ways add up.",
                lambda dy, x, w, s, p: x @ strips(dy, x, w, s, p, p) / len(x)),
    ],
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check."""
    rng = np.random.default_rng(3)
    return Asked(
        lambda x, w: paint.right(x, w, 2, 1), lambda dy, x, w: solve(dy, x, w, 2, 1), w=rng.standard_normal(4)
    ), rng.standard_normal(3)
