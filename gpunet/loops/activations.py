"""Activations by their definitions: a function of one number, applied to each (gpunet/backend/activations.py).

    ReLU         y = x where x > 0, else 0           dx = dy where x > 0, else 0
    leaky ReLU   y = x where x > 0, else slope x     dx = dy where x > 0, else slope dy
    tanh         y = tanh x                          dx = dy (1 - y^2)
    sigmoid      y = 1 / (1 + exp(-x))               dx = dy y (1 - y)

tanh and the sigmoid know their slope from y. Where y > 0 also x > 0, so all four backward passes take y.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy import ndarray


def elementwise(function: Callable[..., float], *arrays: ndarray) -> ndarray:
    """Return an array with function(a, b, ...) of the numbers a, b, ... that stand at each place of the arrays."""
    y = np.zeros(arrays[0].shape)
    for place in np.ndindex(y.shape):
        y[place] = function(*(float(array[place]) for array in arrays))
    return y


def relu(x: ndarray) -> ndarray:
    """Return y for x, both of any shape."""
    return elementwise(lambda x: x if x > 0 else 0.0, x)


def relu_backward(dy: ndarray, y: ndarray) -> ndarray:
    """Return dx for dy. At x = 0, where no derivative exists, it is 0."""
    return elementwise(lambda dy, y: dy if y > 0 else 0.0, dy, y)


def leaky_relu(x: ndarray, slope: float) -> ndarray:
    """Return y for x, both of any shape, and a slope above 0."""
    return elementwise(lambda x: x if x > 0 else slope * x, x)


def leaky_relu_backward(dy: ndarray, y: ndarray, slope: float) -> ndarray:
    """Return dx for dy."""
    return elementwise(lambda dy, y: dy if y > 0 else slope * dy, dy, y)


def tanh(x: ndarray) -> ndarray:
    """Return y, in -1 to 1, for x, both of any shape."""
    return elementwise(math.tanh, x)


def tanh_backward(dy: ndarray, y: ndarray) -> ndarray:
    """Return dx for dy."""
    return elementwise(lambda dy, y: dy * (1 - y * y), dy, y)


def sigmoid(x: ndarray) -> ndarray:
    """Return y, in 0 to 1, for x, both of any shape."""
    return elementwise(lambda x: 1 / (1 + math.exp(-x)), x)


def sigmoid_backward(dy: ndarray, y: ndarray) -> ndarray:
    """Return dx for dy."""
    return elementwise(lambda dy, y: dy * y * (1 - y), dy, y)
