"""Convolution and transposed convolution by their definitions (gpunet/backend/conv, docs/convolution.md).

A convolution lays its kernel over the picture and adds up what it sees. A transposed convolution does the reverse: each
number of x paints the whole kernel, scaled by it, onto y, and paint that overlaps adds up.

stride: (SH, SW), how many rows and columns the kernel moves from one place to the next. pads: ((top, bottom), (left,
right)), the rows and columns of zeros around the picture. The zeros are not stored: the loops skip their places.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

Pair = tuple[int, int]
Three = tuple[ndarray, ndarray, ndarray]


def conv2d(x: ndarray, weight: ndarray, bias: ndarray | float, stride: Pair, pads: tuple[Pair, Pair]) -> ndarray:
    """Return y (N, OH, OW, F) for x (N, H, W, C), weight (KH, KW, C, F) and bias (F,), or 0 for none.

        y[n, i, j, f] = bias[f] + sum over p, q, c of  x[n, i SH + p - top, j SW + q - left, c] weight[p, q, c, f]
    """
    (N, H, W, C), (KH, KW, _, F) = x.shape, weight.shape
    (SH, SW), ((top, bottom), (left, right)) = stride, pads
    OH, OW = (H + top + bottom - KH) // SH + 1, (W + left + right - KW) // SW + 1
    y = np.zeros((N, OH, OW, F)) + bias
    for n, i, j, f in np.ndindex(N, OH, OW, F):
        for p, q, c in np.ndindex(KH, KW, C):
            h, w = i * SH + p - top, j * SW + q - left
            if 0 <= h < H and 0 <= w < W:
                y[n, i, j, f] += x[n, h, w, c] * weight[p, q, c, f]
    return y


def conv2d_backward(dy: ndarray, x: ndarray, weight: ndarray, stride: Pair, pads: tuple[Pair, Pair]) -> Three:
    """Return dx (N, H, W, C), dweight (KH, KW, C, F) and dbias (F,) for dy (N, OH, OW, F).

    The loops are those of `conv2d`: each product x * weight that went into y[n, i, j, f] hands dy[n, i, j, f] times the
    one factor to the other factor.
    """
    (_, H, W, C), (KH, KW, _, F) = x.shape, weight.shape
    (SH, SW), ((top, _), (left, _)) = stride, pads
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(F)
    for n, i, j, f in np.ndindex(dy.shape):
        dbias[f] += dy[n, i, j, f]
        for p, q, c in np.ndindex(KH, KW, C):
            h, w = i * SH + p - top, j * SW + q - left
            if 0 <= h < H and 0 <= w < W:
                dx[n, h, w, c] += dy[n, i, j, f] * weight[p, q, c, f]
                dweight[p, q, c, f] += dy[n, i, j, f] * x[n, h, w, c]
    return dx, dweight, dbias


def transposed_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many rows (or columns) of y a transposed convolution paints.

    The last of `size` kernels begins (size - 1) * stride after the first; padding is cut off at both ends.

    >>> transposed_size(2, kernel=4, stride=2, padding=1)
    4
    """
    return (size - 1) * stride + kernel - 2 * padding


def conv_transpose2d(
    x: ndarray, weight: ndarray, bias: ndarray | float, stride: Pair, pads: tuple[Pair, Pair], size: Pair
) -> ndarray:
    """Return y (N, OH, OW, F) of size (OH, OW) for x (N, H, W, C), weight (KH, KW, F, C) and bias (F,), or 0.

        for all n, i, j, c and p, q, f:   y[n, i SH + p - top, j SW + q - left, f] += x[n, i, j, c] weight[p, q, f, c]

    What would fall outside y is cut off.
    """
    (KH, KW, F, _), (OH, OW) = weight.shape, size
    (SH, SW), ((top, _), (left, _)) = stride, pads
    y = np.zeros((len(x), OH, OW, F)) + bias
    for n, i, j, c in np.ndindex(x.shape):
        for p, q, f in np.ndindex(KH, KW, F):
            h, w = i * SH + p - top, j * SW + q - left
            if 0 <= h < OH and 0 <= w < OW:
                y[n, h, w, f] += x[n, i, j, c] * weight[p, q, f, c]
    return y


def conv_transpose2d_backward(
    dy: ndarray, x: ndarray, weight: ndarray, stride: Pair, pads: tuple[Pair, Pair]
) -> Three:
    """Return dx (N, H, W, C), dweight (KH, KW, F, C) and dbias (F,) for dy (N, OH, OW, F).

    Each stroke of paint, x * weight, hands the dy of the place that it was painted on to both of its factors. So dx is
    an ordinary convolution: it looks at dy through the kernel, stride by stride.
    """
    (_, OH, OW, F), (KH, KW, _, _) = dy.shape, weight.shape
    (SH, SW), ((top, _), (left, _)) = stride, pads
    dx, dweight, dbias = np.zeros(x.shape), np.zeros(weight.shape), np.zeros(F)
    for n, h, w, f in np.ndindex(dy.shape):
        dbias[f] += dy[n, h, w, f]
    for n, i, j, c in np.ndindex(x.shape):
        for p, q, f in np.ndindex(KH, KW, F):
            h, w = i * SH + p - top, j * SW + q - left
            if 0 <= h < OH and 0 <= w < OW:
                dx[n, i, j, c] += dy[n, h, w, f] * weight[p, q, f, c]
                dweight[p, q, f, c] += dy[n, h, w, f] * x[n, i, j, c]
    return dx, dweight, dbias
