"""A linear layer by its definition: every output is a weighted sum of all inputs (gpunet/layers/linear.py).

    y[n, f]       = bias[f] + sum over c of  x[n, c] weight[c, f]
    dx[n, c]      = sum over f of  dy[n, f] weight[c, f]          x[n, c] is in every output f of its sample
    dweight[c, f] = sum over n of  dy[n, f] x[n, c]               weight[c, f] is used by every sample n
    dbias[f]      = sum over n of  dy[n, f]
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray


def linear(x: ndarray, weight: ndarray, bias: ndarray | float) -> ndarray:
    """Return y (N, F) for x (N, C), weight (C, F) and bias (F,), or 0 for none."""
    N, C = x.shape
    F = weight.shape[1]
    y = np.zeros((N, F)) + bias
    for n, f, c in np.ndindex(N, F, C):
        y[n, f] += x[n, c] * weight[c, f]
    return y


def linear_backward(dy: ndarray, x: ndarray, weight: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Return dx (N, C), dweight (C, F) and dbias (F,) for dy (N, F).

    Forward adds the product x * weight to y. Backward visits the same products: dy times the one factor is what the
    other factor gets.
    """
    N, C = x.shape
    F = weight.shape[1]
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(F)
    for n, f in np.ndindex(N, F):
        dbias[f] += dy[n, f]
        for c in range(C):
            dx[n, c] += dy[n, f] * weight[c, f]
            dweight[c, f] += dy[n, f] * x[n, c]
    return dx, dweight, dbias
