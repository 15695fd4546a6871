"""A loss from logits that does not overflow, and its gradient

D's answer about a picture is a logit x, any real number. p = sigmoid(x) = 1 / (1 + exp(-x)) is the probability that
it stands for, and t, the target, is 1 for a real picture and 0 for a made one. The loss of one answer is

    -t log p - (1 - t) log(1 - p)

and the loss of a batch is the mean over all its answers. Given logits (N, 1) and the number t, return the loss and
dlogits (N, 1), its derivative by each logit. Both have to be right for logits of 1000 and -1000, too: there
exp(1000) overflows, and the plain formula asks for the logarithm of 0. No number may be nan or inf.
"""

from __future__ import annotations

import math

import numpy as np

from gpunet import loops
from puzzles.answer import Case, Mistake
from puzzles.arrays import Asked

FUNCTION, RESULTS = "bce_with_logits", ("loss", "dlogits")
STUB = """
def bce_with_logits(logits, t):
    loss = None  # a number
    dlogits = None  # the shape of logits
    return loss, dlogits
"""
HINT = """
Put p into the formula and simplify: the loss of one answer is log(1 + exp(x)) - t x. For x > 0 write log(1 + exp(x))
as x + log(1 + exp(-x)), so that exp never gets a large number. One line is both:

    np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

The derivative of one answer's loss is p - t; p, too, can be had from exp(-|x|). A mean over N answers divides each of
their derivatives by N.
"""


def right(logits: np.ndarray, t: float) -> tuple[float, np.ndarray]:
    """Return loss and dlogits by loops; beyond 30 the loss of an answer is a straight line to 13 digits."""

    def one(x: float, t: float) -> tuple[float, float]:
        if abs(x) < 30:
            return loops.bce(x, t)
        return (max(x, 0.0) - t * x + math.exp(-abs(x)), float(x > 0) - t)

    return loops.mean_loss(one, logits, t)


def cases() -> list[Case]:
    """Return cases to follow by hand, random ones, and large logits."""
    rng = np.random.default_rng(1)
    return [
        Case("logits = [[0], [2]], t = 1", (np.array([[0.0], [2.0]]), 1.0)),
        Case("random logits (5, 1), t = 0.9", (rng.standard_normal((5, 1)), 0.9)),
        Case("random logits (3, 1), t = 0", (rng.standard_normal((3, 1)), 0.0)),
        Case("logits = [[1000], [-1000]], t = 0", (np.array([[1000.0], [-1000.0]]), 0.0)),
        Case("logits = [[-1000], [50]], t = 1", (np.array([[-1000.0], [50.0]]), 1.0)),
    ]


def _p(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _plain(x: np.ndarray, t: float) -> np.ndarray:
    return np.mean(-t * np.log(_p(x)) - (1 - t) * np.log(1 - _p(x)))


MISTAKES = {
    "loss": [
        Mistake("overflows: the formula asks for the logarithm of 0. Simplify it first, as the hint says.", _plain),
        Mistake("overflows: exp gets a large number.", lambda x, t: np.mean(np.log(1 + np.exp(x)) - t * x)),
        Mistake("overflows: exp gets a large number where x is far below 0.",
                lambda x, t: np.mean(np.log(1 + np.exp(-x)) + (1 - t) * x)),
        Mistake("is the sum over the batch; the loss is the mean.", lambda x, t: right(x, t)[0] * x.size),
        Mistake("has one number for each answer: take the mean over the batch.",
                lambda x, t: np.maximum(x, 0) - t * x + np.log1p(np.exp(-np.abs(x)))),
        Mistake("has the wrong sign: a loss is never below 0.", lambda x, t: -right(x, t)[0]),
        Mistake("has the target the wrong way round: t = 1 asks for large logits.", lambda x, t: right(x, 1 - t)[0]),
    ],
    "dlogits": [
        Mistake("is not divided by the number of answers, though the loss is their mean.",
                lambda x, t: right(x, t)[1] * x.size),
        Mistake("has the wrong sign: where p is above the target, a larger logit makes the loss larger.",
                lambda x, t: -right(x, t)[1]),
        Mistake("is multiplied by p (1 - p), the sigmoid's slope: with this loss it cancels, p - t is left.",
                lambda x, t: right(x, t)[1] * _p(x) * (1 - _p(x))),
        Mistake("takes the logit for the probability: it is (p - t) / N, not (x - t) / N.",
                lambda x, t: (x - t) / x.size),
    ],
}  # fmt: skip


def layer(solve):
    """Return the loss as a layer, and logits, for the gradient check."""
    return Asked(
        lambda x: np.array(loops.bce_with_logits(x, 0.9)[0]), lambda dy, x: (dy * solve(x.copy(), 0.9)[1],)
    ), np.random.default_rng(2).standard_normal((4, 1))
