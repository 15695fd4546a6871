"""How the weights of every preset start: the distributions of the systems, by kind of layer."""

import math

import numpy as np
import pytest

from dcgan.presets import config_of, find, initialiser
from gpunet.layers import Conv2d, ConvTranspose2d, Linear


def networks(name, **options):
    config = config_of({"preset": name, **options})
    return find(name).generator(config), find(name).discriminator(config)


def first_weights(name):
    """Every weight by its kind of layer and its fans, G's and D's."""
    found = []
    for net in networks(name, width=8):
        initialiser(config_of({"preset": name}))(net, np.random.default_rng(0))
        found += [(type(layer), layer.weight.data) for layer in net.walk() if hasattr(layer, "weight")]
    return found


@pytest.mark.parametrize(
    "name, expected",
    [  # kind: (standard deviation, cut at two of them)
        ("dcgan64", {Conv2d: (0.02, False), ConvTranspose2d: (0.02, False)}),
        ("paper", {Conv2d: (0.02, False), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("carpedm20", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("carpedm20-mnist", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("tf-nw", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, True), Linear: (0.01, False)}),
        ("basicgan", {Linear: (0.01, False)}),
    ],
)
def test_first_weights(name, expected):
    for kind, weight in [(kind, weight) for kind, weight in first_weights(name) if weight.size > 5000]:
        std, cut = expected[kind]
        assert weight.std() == pytest.approx(std * (0.8796 if cut else 1), rel=0.05)
        assert (np.abs(weight).max() <= 2 * std + 1e-9) == cut


def test_first_weights_of_anime96_and_monn28():
    for _, weight in first_weights("anime96"):  # the two axes that a filter sees, as PyTorch counts them
        fan_in = math.prod(weight.shape[:3])
        assert np.abs(weight).max() <= 1 / math.sqrt(fan_in) and (
            weight.size < 5000 or np.abs(weight).max() > 0.99 / math.sqrt(fan_in)
        )
    for _, weight in first_weights("monn28"):
        limit = math.sqrt(6 / (math.prod(weight.shape[:-2]) * sum(weight.shape[-2:])))
        assert 0.9 * limit < np.abs(weight).max() <= limit


def test_init_overrides_the_presets():
    G, _ = networks("monn28", width=8)
    initialiser(config_of({"preset": "monn28", "init": "truncated"}))(G, np.random.default_rng(0))
    assert all(np.abs(layer.weight.data).max() <= 0.04 for layer in G if hasattr(layer, "weight"))
