"""Guided backpropagation: which pixels make a filter of D answer? (Springenberg et al., 2014)

The gradient of a filter's answer with respect to the picture, but at every activation y = relu(x), leaky or not, only
what is positive both ways goes on down:

    dx = dy   where x > 0 and dy > 0,    0 elsewhere

So pixels that would speak against the filter do not blur the picture of those that speak for it. Through a residual
block dy goes down both paths, and what arrives at its x is added, as in its own backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dcgan.discriminator_features import is_active
from dcgan.errors import UserError
from gpunet import backend
from gpunet.backend import use_precision
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.layers import Layer, Residual, Sequential


class Passed(NamedTuple):
    """A layer that pictures went through, and its y; of a residual block also what its two paths passed."""

    layer: Layer
    y: Array
    paths: tuple[list[Passed], ...] = ()


def forward(layers: Sequence[Layer], x: Array) -> list[Passed]:
    """Run layers one after another, into the paths of residual blocks; return each with its y."""
    passed: list[Passed] = []
    for layer in layers:
        if isinstance(layer, Residual):
            paths = tuple(forward(_steps(path), x) for path in (layer.branch, layer.shortcut))
            branch, shortcut = (path[-1].y if path else x for path in paths)
            passed.append(Passed(layer, backend.add(branch, shortcut), paths))
        else:
            passed.append(Passed(layer, layer.forward(x)))
        x = passed[-1].y
    return passed


def backward(passed: Sequence[Passed], dy: Array) -> Array:
    """Return the guided gradient with respect to the x of these layers, for that of their last y."""
    dx: Any = dy
    for layer, y, paths in reversed(passed):
        if is_active(layer):  # its own backward then multiplies by 1: where x > 0
            dx = (dx * ((array_module(y).asarray(y) > 0) & (dx > 0))).astype("float32", copy=False)
        if paths:
            branch, shortcut = (backward(path, dx.copy()) for path in paths)  # a layer may write into its dy
            dx = backend.add(branch, shortcut)
        else:
            dx = layer.backward(dx)
    return dx


def _steps(path: Layer | None) -> Sequence[Layer]:
    """Return the layers of a path of a residual block; None, the shortcut that changes nothing, has none."""
    if path is None:
        return ()
    return path.steps if isinstance(path, Sequential) else (path,)


def last_map(D: Sequential, x: Array) -> list[Passed]:
    """Return what pictures x pass up to the last map behind an activation outside of residual blocks, (N, H, W, C).

    Raises UserError where there is none.
    """
    passed = forward(D.steps, x)
    maps = [place for place, (layer, y, _) in enumerate(passed) if is_active(layer) and y.ndim == 4]
    if not maps:
        raise UserError("the discriminator has no map with an activation behind it, outside of residual blocks")
    return passed[: maps[-1] + 1]


def strongest(y: np.ndarray) -> np.ndarray:
    """Return the largest answer of every filter to every picture: y (N, H, W, C) -> (N, C)."""
    return y.max(axis=(1, 2))


def answers(D: Sequential, x: Array) -> np.ndarray:
    """Return how strongly every filter of the last map answers to pictures x: (N, C), on the host."""
    with use_precision("fp32"):  # plain numbers between the layers
        return strongest(backend.to_numpy(last_map(D, x)[-1].y))


def gradients(D: Sequential, x: Array, filter: int) -> np.ndarray:
    """Return the guided gradients of one filter's strongest answer to each of the pictures x: (N, H, W, C)."""
    with use_precision("fp32"), D.saving(), D.frozen():
        passed = last_map(D, x)
        y = backend.to_numpy(passed[-1].y)
        dy = np.zeros(y.shape, "float32")
        for i, one in enumerate(y[..., filter]):
            dy[(i, *np.unravel_index(one.argmax(), one.shape), filter)] = 1
        return backend.to_numpy(backward(passed, backend.to_device(dy, device_of(x))))


def as_picture(gradient: np.ndarray) -> np.ndarray:
    """Return a gradient (H, W, C) as a picture: 0 is grey, the largest number white or black."""
    most = float(np.abs(gradient).max()) or 1.0
    return np.round(127.5 * (1 + gradient / most)).astype("uint8")
