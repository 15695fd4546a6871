"""A solution of the puzzle `paint`."""

import numpy as np


def paint(x, w, stride, padding):
    (n, _), (K, F, _) = x.shape, w.shape
    strip = np.zeros(((n - 1) * stride + K, F))
    for i in range(n):
        strip[i * stride : i * stride + K] += w @ x[i]
    return strip[padding : len(strip) - padding]
