"""The backward pass of batch normalisation

Forward, for each channel (column) of x (M, C) by itself, with scale (C,) and shift (C,):

    mean  = (1/M) sum x_i                  var   = (1/M) sum (x_i - mean)^2
    rstd  = 1 / sqrt(var + eps)            x_hat = (x - mean) rstd
    y     = scale x_hat + shift

Backward: dy (M, C) holds the derivative of the loss by each number of y. Return dx (M, C), dscale (C,) and dshift
(C,). dx is the one that most people get wrong: an x_i reaches the loss by its own x_hat_i, and by mean and var it
moves all the others.
"""

from __future__ import annotations

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked

FUNCTION, RESULTS = "batchnorm_backward", ("dx", "dscale", "dshift")
EPS = 1e-5
STUB = """
def batchnorm_backward(dy, x, scale, eps):
    mean = x.mean(axis=0)
    rstd = 1 / np.sqrt(x.var(axis=0) + eps)
    x_hat = (x - mean) * rstd
    dx = None  # (M, C)
    dscale = None  # (C,)
    dshift = None  # (C,)
    return dx, dscale, dshift
"""
HINT = """
dshift is the sum of dy over the rows, dscale the sum of dy * x_hat over the rows. How x_hat_j moves with x_i:

    d x_hat_j / d x_i = rstd ([i = j] - 1/M - x_hat_i x_hat_j / M)        [i = j] is 1 if i = j, else 0

Put it into dx_i = sum over j of  scale dy_j (d x_hat_j / d x_i). Two of the three sums are dshift and dscale.
"""


def right(dy: np.ndarray, x: np.ndarray, scale: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three derivatives by loops."""
    return loops.batchnorm_backward(dy, x, scale, eps)


def cases() -> list[Case]:
    """Return a case to follow by hand, and random ones, one of them far from 0."""
    rng = np.random.default_rng(1)
    by_hand = np.array([[1.0], [0.0]]), np.array([[1.0], [3.0]]), np.array([2.0]), 3.0
    found = [Case("dy = [[1], [0]], x = [[1], [3]], scale = [2], eps = 3: rstd is 1/2", by_hand)]
    for M, C, far in ((6, 3, 0.0), (9, 2, 5.0)):
        arrays = rng.standard_normal((M, C)), rng.standard_normal((M, C)) + far, 1 + rng.random(C)
        found.append(Case(f"random dy and x ({M}, {C}) with mean {far:g}", (*arrays, EPS)))
    return found


def _parts(dy: np.ndarray, x: np.ndarray, scale: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rstd and x_hat."""
    rstd = 1 / np.sqrt(x.var(0) + eps)
    return rstd, (x - x.mean(0)) * rstd


def _dx(mean: float, var: float, scaled: bool = True, divided: bool = True):
    """Return a function for dx in which the terms of mean and variance count so much."""

    def value(dy: np.ndarray, x: np.ndarray, scale: np.ndarray, eps: float) -> np.ndarray:
        rstd, x_hat = _parts(dy, x, scale, eps)
        over = len(x) if divided else 1
        inner = dy - mean * dy.sum(0) / over - var * x_hat * (dy * x_hat).sum(0) / over
        return (scale if scaled else 1) * rstd * inner

    return value


MISTAKES = {
    "dx": [
        Mistake("takes mean and variance for constants: x_i moves them, and with them all other x_hat.", _dx(0, 0)),
        Mistake("lacks the way through the variance: x_i moves rstd, too.", _dx(1, 0)),
        Mistake("lacks the way through the mean.", _dx(0, 1)),
        Mistake("lacks the factor scale.", _dx(1, 1, scaled=False)),
        Mistake("forgets to divide the two sums by M.", _dx(1, 1, divided=False)),
        Mistake("has the sign of the terms of mean and variance the wrong way round.", _dx(-1, -1)),
        Mistake("lacks the factor rstd.",
                lambda dy, x, scale, eps: right(dy, x, scale, eps)[0] / _parts(dy, x, scale, eps)[0]),
    ],
    "dscale": [
        Mistake("multiplies dy by x; y = scale x_hat + shift has x_hat.", lambda dy, x, scale, eps: (dy * x).sum(0)),
        Mistake("is the mean over the rows; the ways of all rows add up: take the sum.",
                lambda dy, x, scale, eps: right(dy, x, scale, eps)[1] / len(x)),
        Mistake("forgets the sum over the rows: all rows share one scale.",
                lambda dy, x, scale, eps: dy * _parts(dy, x, scale, eps)[1]),
        Mistake("forgets rstd: x_hat is (x - mean) rstd.", lambda dy, x, scale, eps: (dy * (x - x.mean(0))).sum(0)),
    ],
    "dshift": [
        Mistake("forgets the sum over the rows: all rows share one shift.", lambda dy, x, scale, eps: dy),
        Mistake("is the mean over the rows; the ways of all rows add up: take the sum.",
                lambda dy, x, scale, eps: dy.mean(0)),
        Mistake("is multiplied by scale; shift is added behind it.", lambda dy, x, scale, eps: scale * dy.sum(0)),
    ],
}  # fmt: skip


def layer(solve):
    """Return the layer and the x for the gradient check."""
    rng = np.random.default_rng(2)
    return Asked(
        lambda x, scale, shift: loops.batchnorm(x, scale, shift, EPS),
        lambda dy, x, scale, shift: solve(dy, x, scale, EPS),
        scale=1 + rng.random(2),
        shift=rng.standard_normal(2),
    ), rng.standard_normal((5, 2))
