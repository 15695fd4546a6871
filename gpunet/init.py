"""Initialisers: how weights get their first values, drawn on the host so that a seed means the same on every device.

An initialiser is a function (rng, shape, fan_in, fan_out) -> array; `apply` draws for a whole network in declared
order.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from gpunet.backend.devices import device_of, to_device
from gpunet.layers.base import Layer
from gpunet.layers.parameter import Parameter

Initialiser = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]


def constant(value: float) -> Initialiser:
    """Every number the same."""
    return lambda rng, shape, fan_in, fan_out: np.full(shape, value)


def normal(std: float, mean: float = 0.0) -> Initialiser:
    """N(mean, std^2); DCGAN's weights are N(0, 0.02^2) (Radford et al., 2016, section 4)."""
    return lambda rng, shape, fan_in, fan_out: rng.normal(mean, std, shape)


def truncated_normal(std: float, mean: float = 0.0) -> Initialiser:
    """N(mean, std^2) with draws beyond two standard deviations drawn again (TensorFlow's truncated_normal)."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        values = rng.standard_normal(shape)
        while (outside := np.abs(values) > 2).any():
            values[outside] = rng.standard_normal(int(outside.sum()))
        return mean + std * values

    return draw


def glorot_uniform() -> Initialiser:
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio, 2010, equation 16)."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        limit = math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, shape)

    return draw


def torch_uniform() -> Initialiser:
    """U(-a, a) with a = 1 / sqrt(fan_in): PyTorch's default for weights and biases of conv and linear layers."""
    return lambda rng, shape, fan_in, fan_out: rng.uniform(-1, 1, shape) / math.sqrt(fan_in)


def apply(
    net: Layer,
    rng: np.random.Generator,
    weight: Initialiser | None = None,
    bias: Initialiser | None = None,
    scale: Initialiser | None = None,
    shift: Initialiser | None = None,
) -> None:
    """Draw new values for the parameters of these names, in declared order; None leaves a name as it is."""
    initialisers = {"weight": weight, "bias": bias, "scale": scale, "shift": shift}
    for layer in net.walk():
        fans = _fans(layer)
        for name, parameter in vars(layer).items():
            initialiser = initialisers.get(name)
            if initialiser is not None and parameter is not None:
                _set(parameter, initialiser(rng, parameter.data.shape, *fans))


def _fans(layer: Layer) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a layer's weight, by the convention of PyTorch for transposed convolutions too.

    The weight's last axis is the one summed over for ConvTranspose2d, but frameworks take fan_in from the axis in
    front.
    """
    weight = getattr(layer, "weight", None)
    if weight is None:
        return 1, 1
    *kernel, rows, columns = weight.data.shape
    return math.prod(kernel) * rows, math.prod(kernel) * columns


def _set(parameter: Parameter, values: np.ndarray) -> None:
    data = parameter.data
    data[...] = to_device(values.astype(data.dtype), device_of(data))
