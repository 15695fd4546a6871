"""Initialisers: moments and bounds of what is drawn, the fans, and that a seed means the same everywhere."""

import math

import numpy as np
import pytest

from cases import host
from gpunet import init
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, Linear, ReLU, Sequential

SIZE = 40_000  # draws: the mean is then within 4 / sqrt(SIZE) = 0.02 standard deviations, with a fixed seed surely


def draw(initialiser, fan_in=50, fan_out=70):
    return initialiser(np.random.default_rng(0), (200, 200), fan_in, fan_out)


@pytest.mark.parametrize(
    "initialiser, mean, std, bound",
    [
        (init.normal(0.02), 0, 0.02, math.inf),
        (init.normal(0.02, mean=1), 1, 0.02, math.inf),
        (init.truncated_normal(0.02), 0, 0.02 * 0.87962566, 0.04),  # std of a normal cut at two deviations
        (init.truncated_normal(0.5, mean=3), 3, 0.5 * 0.87962566, 1.0),
        (init.glorot_uniform(), 0, math.sqrt(2 / 120), math.sqrt(6 / 120)),
        (init.torch_uniform(), 0, math.sqrt(1 / 50 / 3), math.sqrt(1 / 50)),
    ],
)
def test_distribution(initialiser, mean, std, bound):
    values = draw(initialiser)
    assert values.mean() == pytest.approx(mean, abs=0.02 * std)
    assert values.std() == pytest.approx(std, rel=0.02)
    largest = np.abs(values - mean).max()
    assert largest <= bound and (bound == math.inf or largest > 0.99 * bound)


def net():
    return Sequential(
        ConvTranspose2d(6, 4, 3), BatchNorm(4), ReLU(), Conv2d(4, 2, (2, 3), bias=False), Sequential(Linear(5, 3))
    )


def test_apply_draws_by_name_in_declared_order(cell):
    network, rng = net().to(cell.device), np.random.default_rng(7)
    named = {"weight": init.normal(0.02), "scale": init.normal(0.02, mean=1), "bias": init.constant(0)}
    init.apply(network, np.random.default_rng(7), **named)
    state = {name: host(array) for name, array in network.state_dict().items()}
    for name in ("0.weight", "1.scale", "3.weight", "4.0.weight"):
        expected = rng.normal(1 if name == "1.scale" else 0, 0.02, state[name].shape).astype("float32")
        np.testing.assert_array_equal(state[name], expected, name)
    assert not state["0.bias"].any() and not state["4.0.bias"].any() and not state["1.shift"].any()


def test_apply_leaves_what_is_not_named():
    network = net()
    before = network.state_dict()
    init.apply(network, np.random.default_rng(0), bias=init.constant(3))
    changed = {name for name, array in network.state_dict().items() if (array != before[name]).any()}
    assert changed == {"0.bias", "4.0.bias"}


@pytest.mark.parametrize(
    "layer, fans",
    [
        (Linear(5, 3), (5, 3)),
        (Conv2d(4, 2, (2, 3)), (24, 12)),  # kernel pixels times channels in, times channels out
        (ConvTranspose2d(6, 4, 3), (36, 54)),  # PyTorch's convention: by its weight's axes, the other way round
    ],
)
def test_fans(layer, fans):
    seen = []

    def note(rng, shape, fan_in, fan_out):
        seen.append((fan_in, fan_out))
        return np.zeros(shape)

    init.apply(layer, np.random.default_rng(0), weight=note, bias=note)
    assert seen == [fans, fans]


@pytest.mark.parametrize("layer", [Linear(16, 900), Conv2d(4, 300, 2), ConvTranspose2d(300, 4, 2)])
def test_new_layers_start_as_in_pytorch(layer):
    """PyTorch: weight and bias uniform in +-1/sqrt(fan_in); fan_in is 16 for each of these."""
    weight = layer.weight.data
    assert np.abs(weight).max() == pytest.approx(0.25, rel=0.01) and np.abs(weight).max() <= 0.25
    assert weight.std() == pytest.approx(0.25 / math.sqrt(3), rel=0.03) and weight.mean() == pytest.approx(0, abs=0.005)
    assert 0 < np.abs(layer.bias.data).max() <= 0.25
