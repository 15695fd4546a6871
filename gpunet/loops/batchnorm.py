"""Batch normalisation by its definition (gpunet/backend/batchnorm.py; docs/batchnorm.md derives the backward pass).

Each channel is treated alike and knows nothing of the others: its M = N H W numbers are moved and stretched so that
their mean is 0 and their variance 1, then scaled and shifted by two parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy import ndarray


def channel_statistics(x: ndarray) -> tuple[list[float], list[float]]:
    """Return mean and biased variance of each channel of x (..., C): two lists of C numbers, by Python's exact sum."""
    means, variances = [], []
    for column in x.reshape(-1, x.shape[-1]).T:  # the M numbers of a channel
        mean = math.fsum(column) / len(column)
        means.append(mean)
        variances.append(math.fsum((float(value) - mean) ** 2 for value in column) / len(column))
    return means, variances


def batchnorm(x: ndarray, scale: ndarray, shift: ndarray, eps: float) -> ndarray:
    """Return y (..., C) for x (..., C), scale (C,) and shift (C,).

        x_hat = (x - mean) / sqrt(var + eps),    y = scale x_hat + shift          mean, var: of the channel's M numbers
    """
    mean, var = channel_statistics(x)
    return batchnorm_inference(x, mean, var, scale, shift, eps)


def batchnorm_inference(
    x: ndarray, mean: Sequence[float], var: Sequence[float], scale: ndarray, shift: ndarray, eps: float
) -> ndarray:
    """Return the same with mean (C,) and var (C,) from elsewhere, such as the running averages of a training."""
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        c = place[-1]
        y[place] = (x[place] - mean[c]) / math.sqrt(var[c] + eps) * scale[c] + shift[c]
    return y


def batchnorm_backward(dy: ndarray, x: ndarray, scale: ndarray, eps: float) -> tuple[ndarray, ndarray, ndarray]:
    """Return dx (..., C), dscale (C,) and dshift (C,) for dy (..., C).

        dshift = sum dy,   dscale = sum dy x_hat,   dx = scale rstd (dy - dshift / M - x_hat dscale / M)

    The last two terms are there because each x moves the mean and the variance, and with them all of the channel's y.
    """
    (mean, var), C = channel_statistics(x), x.shape[-1]
    x_of, dy_of = x.reshape(-1, C), dy.reshape(-1, C)  # (M, C)
    dx, dscale, dshift = np.zeros(x_of.shape), np.zeros(C), np.zeros(C)
    M = len(x_of)
    for c in range(C):
        rstd = 1 / math.sqrt(var[c] + eps)
        x_hat = [(x_of[i, c] - mean[c]) * rstd for i in range(M)]
        for i in range(M):
            dshift[c] += dy_of[i, c]
            dscale[c] += dy_of[i, c] * x_hat[i]
        for i in range(M):
            dx[i, c] = scale[c] * rstd * (dy_of[i, c] - dshift[c] / M - x_hat[i] * dscale[c] / M)
    return dx.reshape(x.shape), dscale, dshift
