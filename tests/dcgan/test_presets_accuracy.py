"""Whole networks in float32 are as accurate as rounding allows, whichever algorithm their convolutions take.

Activations are left out: where a number next to a ReLU's kink changes its sign, a gradient differs by more than
rounding, in every implementation.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cases import IMPLEMENTATIONS
from dcgan.gan import GAN
from dcgan.presets import config_of
from gpunet import backend
from gpunet.layers import BatchNorm, Conv2d, LeakyReLU, ReLU, Sequential, Tanh

TOLERANCE = 2e-5  # root mean square of a gradient's error, relative to that of the gradient


def without_activations(net: Sequential) -> Sequential:
    for layer in net.layers:
        if isinstance(layer, BatchNorm | Conv2d):
            layer.slope = 1.0  # an activation behind it had moved in
    return Sequential(*(layer for layer in net.layers if not isinstance(layer, ReLU | LeakyReLU | Tanh)))


def gradients(preset: str, dtype: str) -> list[np.ndarray]:
    """Return the gradients of all parameters of D(G(z)), its logits weighted at random; the same start in any dtype."""
    gan = GAN(config_of({"preset": preset, "width": 16}), np.random.default_rng(0), "cpu")
    nets, rng = [without_activations(net).to(dtype=dtype) for net in (gan.G, gan.D)], np.random.default_rng(1)
    y = rng.standard_normal((16, 1, 1, 100), "float32").astype(dtype)
    for net in nets:
        y = net.forward(y)
    dy = rng.standard_normal(y.shape, "float32").astype(dtype)
    for net in reversed(nets):
        dy = net.backward(dy)
    return [parameter.grad for net in nets for parameter in net.parameters()]


@functools.cache
def exact(preset: str) -> list[np.ndarray]:
    with backend.use("reference"), backend.use_conv("direct"):
        return gradients(preset, "float64")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("algorithm", ["auto", "direct", "winograd2", "winograd4"])
@pytest.mark.parametrize("preset", ["dcgan64", "carpedm20"])
def test_gradients_of_whole_networks(preset, algorithm, implementation):
    with backend.use(implementation), backend.use_conv(algorithm):
        actual = gradients(preset, "float32")
    weights = [(got, wanted) for got, wanted in zip(actual, exact(preset), strict=True) if wanted.ndim > 1]
    for got, wanted in weights:  # biases and shifts are sums in which nearly all cancels: their digits are the sum's
        assert rms(got - wanted) <= TOLERANCE * rms(wanted), f"weight of shape {wanted.shape}"
    whole = [np.concatenate([array.ravel() for array in arrays]) for arrays in (actual, exact(preset))]
    assert rms(whole[0] - whole[1]) <= TOLERANCE * rms(whole[1])


def rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype="float64"))))
