"""The losses of D's answers by their definitions (gpunet/backend/losses.py).

Each function takes one answer x (a logit) and its target t, and returns the loss and its derivative by x. The loss of
a batch is the mean of its answers' losses, so each derivative is divided by their number (`mean_loss`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy import ndarray

Loss = Callable[[float, float], tuple[float, float]]


def bce(x: float, t: float) -> tuple[float, float]:
    """Binary cross-entropy: -t log p - (1 - t) log(1 - p) with p = sigmoid(x); its derivative is p - t.

    For logits small enough to do it literally: at x = 1000 the logarithm is that of 0.
    """
    p = 1 / (1 + math.exp(-x))
    return -t * math.log(p) - (1 - t) * math.log(1 - p), p - t


def square(x: float, t: float) -> tuple[float, float]:
    """Half the squared distance, (x - t)^2 / 2, of the least-squares GAN; its derivative is x - t."""
    return (x - t) ** 2 / 2, x - t


def hinge(x: float, t: float) -> tuple[float, float]:
    """What t x lacks to 1, max(0, 1 - t x), for t = 1 or -1; its derivative is -t, or 0 where nothing lacks."""
    short_by = 1 - t * x
    return (short_by, -t) if short_by > 0 else (0.0, 0.0)


def mean_loss(loss: Loss, logits: ndarray, target: float | ndarray) -> tuple[float, ndarray]:
    """Return the mean of loss(x, t) over logits of any shape, and dlogits; target: a number, or one for each logit."""
    total, dlogits = 0.0, np.zeros(logits.shape)
    targets = np.zeros(logits.shape) + target
    for place in np.ndindex(logits.shape):
        one, derivative = loss(float(logits[place]), float(targets[place]))
        total += one / logits.size
        dlogits[place] = derivative / logits.size
    return total, dlogits


def bce_with_logits(logits: ndarray, target: float | ndarray) -> tuple[float, ndarray]:
    """Return the mean binary cross-entropy of logits of any shape, and dlogits = (p - t) / size."""
    return mean_loss(bce, logits, target)
