"""Guided backpropagation: which pixels make a filter of D answer? (Springenberg et al., 2014)

The gradient of a filter's answer with respect to the picture, but at every activation y = relu(x), leaky or not, only
what is positive both ways goes on down:

    dx = dy   where x > 0 and dy > 0,    0 elsewhere

So pixels that would speak against the filter do not blur the picture of those that speak for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dcgan.discriminator_features import is_active
from dcgan.errors import UserError
from gpunet import backend
from gpunet.backend import use_precision
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.layers import Layer, Sequential


def last_map(D: Sequential, x: Array) -> tuple[list[tuple[Layer, Any]], Array]:
    """Return the layers up to the last convolution's activation, each with its y, and that y (N, H, W, C).

    Raises UserError for a network of residual blocks, which hold activations of their own.
    """
    passed: list[tuple[Layer, Any]] = []
    count = 0
    for name, layer, y in D.answers(x):
        if "." in name:
            raise UserError("guided backpropagation goes through plain layers: not through residual blocks")
        passed.append((layer, y))
        if is_active(layer) and y.ndim == 4:
            count = len(passed)
    if not count:
        raise UserError("the discriminator has no convolution with an activation behind it")
    return passed[:count], passed[count - 1][1]


def strongest(y: np.ndarray) -> np.ndarray:
    """Return the largest answer of every filter to every picture: y (N, H, W, C) -> (N, C)."""
    return y.max(axis=(1, 2))


def answers(D: Sequential, x: Array) -> np.ndarray:
    """Return how strongly every filter of the last convolution answers to pictures x: (N, C), on the host."""
    return strongest(backend.to_numpy(last_map(D, x)[1]))


def gradients(D: Sequential, x: Array, filter: int) -> np.ndarray:
    """Return the guided gradients of one filter's strongest answer to each of the pictures x: (N, H, W, C)."""
    with use_precision("fp32"), D.saving(), D.frozen():  # plain numbers between the layers
        passed, y = last_map(D, x)
        dy = np.zeros(y.shape, "float32")
        for i, one in enumerate(backend.to_numpy(y)[..., filter]):
            dy[(i, *np.unravel_index(one.argmax(), one.shape), filter)] = 1
        dx: Any = backend.to_device(dy, device_of(x))
        for layer, answer in reversed(passed):
            if is_active(layer):  # its own backward then multiplies by 1: where x > 0
                dx = dx * ((array_module(x).asarray(answer) > 0) & (dx > 0))
            dx = layer.backward(dx.astype("float32", copy=False))
    return backend.to_numpy(dx)


def as_picture(gradient: np.ndarray) -> np.ndarray:
    """Return a gradient (H, W, C) as a picture: 0 is grey, the largest number white or black."""
    most = float(np.abs(gradient).max()) or 1.0
    return np.round(127.5 * (1 + gradient / most)).astype("uint8")
