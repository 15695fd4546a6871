"""Pieces that the networks of several presets are made of, and the ways in which their weights start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dcgan.options import Size
from gpunet import init
from gpunet.init import Initialiser, constant, glorot_uniform, normal, torch_uniform, truncated_normal
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, Layer, Linear, Sigmoid, Tanh

if TYPE_CHECKING:
    from dcgan.config import Config


def norm(config: Config, channels: int) -> BatchNorm:
    """Return batch norm as the config wants it: eps, momentum, with or without scale, how it samples."""
    batch_statistics = config.sampling_statistics == "batch"
    return BatchNorm(channels, config.bn_eps, config.bn_momentum, config.bn_scale, batch_statistics=batch_statistics)


def picture(config: Config) -> Layer:
    """Return G's last activation: tanh for pictures in [-1, 1], sigmoid for [0, 1]."""
    return Tanh() if config.output == "tanh" else Sigmoid()


def colours(config: Config) -> int:
    """Return the channels of a picture; 3 while the data has not been seen."""
    return config.channels or 3


def halvings(size: Size, times: int) -> list[Size]:
    """Return sizes, smallest first: each is half the next one, rounded up, so that any size can be reached.

    >>> halvings((28, 108), 2)
    [(7, 27), (14, 54), (28, 108)]
    """
    return [(-(-size[0] // 2**k), -(-size[1] // 2**k)) for k in reversed(range(times + 1))]


def area(size: Size, channels: int) -> int:
    """Return how many numbers a map of this size and so many channels holds."""
    return math.prod(size) * channels


def initialise(
    net: Layer,
    rng: np.random.Generator,
    conv: Initialiser,
    transposed: Initialiser | None = None,
    linear: Initialiser | None = None,
    bias: Initialiser | None = None,
    scale: Initialiser | None = None,
) -> None:
    """Draw weights, by kind of layer (default: like `conv`), biases (0) and batch norm's scales (1); shifts are 0."""
    by_kind = {Conv2d: conv, ConvTranspose2d: transposed or conv, Linear: linear or conv}
    for layer in net.walk():
        if type(layer) in by_kind:
            init.apply(layer, rng, weight=by_kind[type(layer)], bias=bias or constant(0))
        elif isinstance(layer, BatchNorm):
            init.apply(layer, rng, scale=scale or constant(1), shift=constant(0))


def dcgan_init(net: Layer, rng: np.random.Generator) -> None:
    """Weights N(0, 0.02^2), batch norm's scales N(1, 0.02^2): the authors' and pytorch/examples'."""
    initialise(net, rng, normal(0.02), scale=normal(0.02, mean=1.0))


def torch_init(net: Layer, rng: np.random.Generator) -> None:
    """Weights and biases U(-a, a), a = 1 / sqrt(fan_in): what PyTorch's layers start with."""
    initialise(net, rng, torch_uniform(), bias=torch_uniform())


INITS = {
    "dcgan": dcgan_init,
    "normal": lambda net, rng: initialise(net, rng, normal(0.02)),
    "truncated": lambda net, rng: initialise(net, rng, truncated_normal(0.02)),
    "glorot": lambda net, rng: initialise(net, rng, glorot_uniform()),
    "torch": torch_init,
}
