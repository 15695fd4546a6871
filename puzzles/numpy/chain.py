"""The chain rule: a number that reaches the loss on two ways

Forward, with x (N, F) and w (F,), all products element by element:

    h = w * x            (N, F): every row of x times the same w
    y = h * (h + x)      (N, F)

Backward: dy (N, F) holds the derivative of the loss by each number of y. Return dx (N, F) and dw (F,), the
derivatives of the same loss by x and by w.

Look for the numbers that are used more than once. h is: twice in y. x is: in h, and once more in y. w is: by every
row. A number that reaches the loss on several ways gets the sum over these ways. A derivative has the shape of what
it is the derivative by.
"""

from __future__ import annotations

import numpy as np

from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked

FUNCTION, RESULTS = "chain_backward", ("dx", "dw")
STUB = """
def chain_backward(dy, x, w):
    h = w * x
    dx = None  # (N, F)
    dw = None  # (F,)
    return dx, dw
"""
HINT = """
Write dh first, the derivative by h. In y = h * (h + x) the first h has the derivative dy * (h + x), the second one
dy * h: dh is their sum. Then dx has two parts, dh * w by way of h, and dy * h directly. Each row of x meets the
same w, so dw is the sum of dh * x over the rows.
"""


def forward(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return y."""
    h = w * x
    return h * (h + x)


def right(dy: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return dx and dw number by number: y = (w^2 + w) x^2, so dy/dx = 2 (w^2 + w) x and dy/dw = (2 w + 1) x^2."""
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for n, f in np.ndindex(x.shape):
        dx[n, f] = dy[n, f] * 2 * (w[f] ** 2 + w[f]) * x[n, f]
        dw[f] += dy[n, f] * (2 * w[f] + 1) * x[n, f] ** 2
    return dx, dw


def cases() -> list[Case]:
    """Return one case to follow by hand, and one of random numbers."""
    rng = np.random.default_rng(1)
    by_hand = np.array([[1.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([2.0, 10.0])
    random = rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.standard_normal(3)
    return [
        Case("dy = [[1, 1], [1, 0]], x = [[1, 2], [3, 1]], w = [2, 10]", by_hand),
        Case("random dy, x (5, 3) and w (3,)", random),
    ]


MISTAKES = {
    "dx": [
        Mistake("lacks the way by which x reaches y directly, beside h.", lambda dy, x, w: dy * (2 * w * x + x) * w),
        Mistake("lacks the way through h.", lambda dy, x, w: dy * w * x),
        Mistake("takes h for used once: its second way, by the h in (h + x), is missing.",
                lambda dy, x, w: dy * (w * x + x) * w + dy * w * x),
        Mistake("takes h for used once: its first way, by the h in front, is missing.",
                lambda dy, x, w: dy * w * x * w + dy * w * x),
        Mistake("forgets dy: it is the derivative of y, and the loss's is dy times that.",
                lambda dy, x, w: 2 * (w**2 + w) * x),
    ],
    "dw": [
        Mistake("is not summed over the rows: every row of x uses the same w, so dw has w's shape (F,).",
                lambda dy, x, w: dy * (2 * w + 1) * x * x),
        Mistake("takes h for used once: its second way, by the h in (h + x), is missing.",
                lambda dy, x, w: (dy * (w * x + x) * x).sum(0)),
        Mistake("is the mean over the rows; the ways of all rows add up: take the sum.",
                lambda dy, x, w: (dy * (2 * w + 1) * x * x).mean(0)),
        Mistake("is summed over the wrong axis: axis 0 counts the rows.",
                lambda dy, x, w: (dy * (2 * w + 1) * x * x).sum(1)),
    ],
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check."""
    rng = np.random.default_rng(2)
    return Asked(forward, solve, w=rng.standard_normal(3)), rng.standard_normal((4, 3))
