"""Maps made larger and smaller by 2, by their definitions (gpunet/backend/resize.py).

    upsample     y[n, h, w, c] = x[n, h // 2, w // 2, c]                        every pixel four times
    downsample   y[n, h, w, c] = sum of x[n, 2h .. 2h + 1, 2w .. 2w + 1, c]     the backward pass of upsample

`downsample` with mean=True is average pooling. Its backward pass gives each pixel of a window the same share of dy.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

Pair = tuple[int, int]


def upsample(x: ndarray, size: Pair | None = None) -> ndarray:
    """Return y (N, H, W, C) of x (N, h, w, C); size: (H, W), 2 h by 2 w unless given, or one less in either."""
    N, h, w, C = x.shape
    H, W = size or (2 * h, 2 * w)
    y = np.zeros((N, H, W, C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // 2, j // 2, c]
    return y


def downsample(x: ndarray, mean: bool = False) -> ndarray:
    """Return y (N, h, w, C), the sum or the mean of each window of up to 2 x 2 pixels of x (N, H, W, C).

    The last window of an odd side has one row or column.
    """
    N, H, W, C = x.shape
    y = np.zeros((N, (H + 1) // 2, (W + 1) // 2, C))
    pixels = np.zeros(y.shape)
    for n, h, w, c in np.ndindex(x.shape):
        y[n, h // 2, w // 2, c] += x[n, h, w, c]
        pixels[n, h // 2, w // 2, c] += 1
    return y / pixels if mean else y
