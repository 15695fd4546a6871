"""Small nets whose layers hand factors and sums to each other on tensor cores, for several tests."""

from __future__ import annotations

import contextlib

import numpy as np

from gpunet import backend
from gpunet.layers import Conv2d, ConvTranspose2d, Sequential, SpectralNorm


def down(c, f, bias=False):
    return Conv2d(c, f, 4, 2, 1, bias=bias)


def up(c, f, bias=False):
    return ConvTranspose2d(c, f, 4, 2, 1, bias=bias)


@contextlib.contextmanager
def on_tensor_cores(precision):
    """Multiply on tensor cores within the block, which the CPU imitates."""
    with backend.use("kernels"), backend.use_conv("mma"), backend.use_precision(precision):
        yield


def built(layers, shape, device, dtype="float32"):
    """Return a net of these layers with random parameters, and its input."""
    net, rng = Sequential(*layers), np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.data = (parameter.data.ndim == 1) + 0.2 * rng.standard_normal(parameter.data.shape)
    for layer in net.walk():
        if isinstance(layer, SpectralNorm):
            layer.settle()
    net.to(device, dtype)
    return net, backend.to_device(rng.standard_normal(shape).astype(dtype), device)
