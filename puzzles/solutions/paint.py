"""A solution of the puzzle `paint`."""

import numpy as np


def paint(x, w, stride, padding):
    strip = np.zeros((len(x) - 1) * stride + len(w))
    for i, number in enumerate(x):
        strip[i * stride : i * stride + len(w)] += number * w
    return strip[padding : len(strip) - padding]
