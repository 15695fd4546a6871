"""The backward pass of a transposed convolution in one dimension

Forward, with one channel: x has n numbers, w has K, and for every pair i, p

    x[i] w[p] is added to y[k], k = i stride + p - padding, if there is such a place

Backward: dy holds the derivative of the loss by each number of y. Return dx and dw, of the shapes of x and w.

With x = [a, b], w = [w0, w1, w2, w3], stride 2 and padding 1 the forward pass was

    y0 = a w1        y1 = a w2 + b w0        y2 = a w3 + b w1        y3 = b w2

Write down da, the derivative by a, first: a is in y0, y1 and y2. Then db, then dw0 to dw3. The loops of the forward
pass do it, or no loop over p at all: what does da do with dy?
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import NEGATIVE, Case, Mistake, wrapped
from puzzles.arrays import Asked

FUNCTION, RESULTS = "paint_backward", ("dx", "dw")
STUB = """
def paint_backward(dy, x, w, stride, padding):
    dx = None  # the shape of x
    dw = None  # the shape of w
    return dx, dw
"""
HINT = """
da = dy0 w1 + dy1 w2 + dy2 w3: the places that a has painted, each times the number of the kernel that went there. That
is an ordinary convolution of dy, and the kernel is not turned round. Put the places that were cut off back as zeros:

    padded = np.pad(dy, padding)
    window = padded[i * stride : i * stride + len(w)]      where x[i] has painted

Then dx[i] is window @ w, and dw gets x[i] * window from each i.
"""


def right(dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dx and dw by the loops of two dimensions, with one row."""
    arrays = dy.reshape(1, 1, -1, 1), x.reshape(1, 1, -1, 1), w.reshape(1, -1, 1, 1)
    dx, dw, _ = loops.conv_transpose2d_backward(*arrays, (1, stride), ((0, 0), (padding, padding)))
    return dx.ravel(), dw.ravel()


def cases() -> list[Case]:
    """Return cases to follow by hand, and random ones."""
    rng = np.random.default_rng(2)
    x, w = np.array([2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    found = [
        Case("dy = [1, 0, -1, 2], x = [2, 3], w = [1, 2, 3, 4], stride 2, padding 1",
             (np.array([1.0, 0.0, -1.0, 2.0]), x, w, 2, 1)),
        Case("dy = [1, 0, 0, 0, 10], x = [2, 3], w = [1, 2, 3, 4], stride 1, padding 0",
             (np.array([1.0, 0.0, 0.0, 0.0, 10.0]), x, w, 1, 0)),
    ]  # fmt: skip
    for n, K, stride, padding in ((5, 5, 2, 2), (4, 3, 3, 0), (3, 2, 1, 0)):
        size = loops.transposed_size(n, K, stride, padding)
        words = f"random dy ({size},), x ({n},) and w ({K},), stride {stride}, padding {padding}"
        found.append(Case(words, (*(rng.standard_normal(count) for count in (size, n, K)), stride, padding)))
    return found


def windows(dy: np.ndarray, x: np.ndarray, w: np.ndarray, stride: int, before: int) -> np.ndarray:
    """Return (n, K): dy on the places that each number of x has painted; so many zeros stand in front of dy."""
    padded = np.pad(dy, (before, len(x) * stride + len(w)))
    return np.stack([padded[i * stride : i * stride + len(w)] for i in range(len(x))])


MISTAKES = {
    "dx": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: windows(wrapped(dy, p, (0,)), x, w, s, 0) @ w),
        Mistake("has the kernel turned round. da = dy0 w1 + dy1 w2 + dy2 w3: the same order as forward.",
                lambda dy, x, w, s, p: windows(dy, x, w, s, p) @ w[::-1]),
        Mistake("forgets the padding: tap 0 of x[0] falls on place -padding of y.",
                lambda dy, x, w, s, p: windows(dy, x, w, s, 0) @ w),
        Mistake("lets the window of each x begin one place after the one before it; it is `stride` places.",
                lambda dy, x, w, s, p: windows(dy, x, w, 1, p) @ w),
        Mistake("multiplies by x where it needs w: x[i] w[p] hands dy w[p] to x[i].",
                lambda dy, x, w, s, p: windows(dy, x, w, s, p).sum(1) * x),
        Mistake("forgets the kernel: each place of the window counts w[p] times.",
                lambda dy, x, w, s, p: windows(dy, x, w, s, p).sum(1)),
    ],
    "dw": [
        Mistake(f"is wrong {NEGATIVE}", lambda dy, x, w, s, p: x @ windows(wrapped(dy, p, (0,)), x, w, s, 0)),
        Mistake("is that of the last x alone: every x uses the kernel, so it adds up. Use +=.",
                lambda dy, x, w, s, p: x[-1] * windows(dy, x, w, s, p)[-1]),
        Mistake("is that of the first x alone: every x uses the kernel.",
                lambda dy, x, w, s, p: x[0] * windows(dy, x, w, s, p)[0]),
        Mistake("forgets x: x[i] w[p] hands dy x[i] to w[p].",
                lambda dy, x, w, s, p: windows(dy, x, w, s, p).sum(0)),
        Mistake("is turned round: tap p of x[i] falls on place i stride + p - padding.",
                lambda dy, x, w, s, p: (x @ windows(dy, x, w, s, p))[::-1]),
        Mistake("forgets the padding: tap 0 of x[0] falls on place -padding of y.",
                lambda dy, x, w, s, p: x @ windows(dy, x, w, s, 0)),
        Mistake("lets the window of each x begin one place after the one before it; it is `stride` places.",
                lambda dy, x, w, s, p: x @ windows(dy, x, w, 1, p)),
        Mistake("is the mean over the numbers of x; their ways add up.",
                lambda dy, x, w, s, p: x @ windows(dy, x, w, s, p) / len(x)),
    ],
}  # fmt: skip


def _forward(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    size = loops.transposed_size(len(x), len(w), 2, 1)
    arrays = x.reshape(1, 1, -1, 1), w.reshape(1, -1, 1, 1)
    return loops.conv_transpose2d(*arrays, 0, (1, 2), ((0, 0), (1, 1)), (1, size)).ravel()


def layer(solve):
    """Return the layer and the x for the gradient check: k4 s2 p1."""
    rng = np.random.default_rng(3)
    return Asked(_forward, lambda dy, x, w: solve(dy, x, w, 2, 1), w=rng.standard_normal(4)), rng.standard_normal(3)
