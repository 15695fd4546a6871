"""A solution of the puzzle `leaky_relu`."""

import numpy as np


def leaky_relu_backward(dy, x, slope):
    return np.where(x > 0, dy, slope * dy)
