"""Adam.rounding: the weights that Adam's pass rounds for tensor cores are those that the convolutions would round."""

import numpy as np
import pytest

from cases import host
from dcgan.config import Config
from dcgan.gan import GAN
from gpunet import backend
from gpunet.backend.factors import DTYPES, factor
from gpunet.layers import Conv2d, Sequential
from gpunet.optim import Adam

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", list(DTYPES))


@pytest.fixture
def tensor_cores(device, precision):
    """Products on tensor cores; on the CPU the exact path imitates them."""
    conv = "mma" if device == "cpu" else "auto"
    with backend.use("kernels"), backend.use_precision(precision), backend.use_conv(conv):
        yield


def network(device):
    net = Sequential(Conv2d(8, 16, 3, bias=True)).to(device)
    return net, Adam(net.parameters(), lr=0.1)


def step(net, adam, device):
    x = backend.to_device(np.random.default_rng(0).standard_normal((2, 5, 5, 8)).astype("float32"), device)
    adam.zero_grad()
    y = net.forward(x)
    net.backward(y.copy())
    adam.step()
    return host(y)


@everywhere
@every_format
def test_rounded_weights_follow_the_weights(device, precision, tensor_cores):
    net, adam = network(device)
    weight = net.layers[0].weight
    for _ in range(2):
        with adam.rounding(precision):
            step(net, adam, device)
            np.testing.assert_array_equal(host(weight.rounded.numbers), host(factor(weight.data, precision)))
        assert weight.rounded is None
    weight.data[...] *= 2
    adam.changed()
    with adam.rounding(precision):
        np.testing.assert_array_equal(host(weight.rounded.numbers), host(factor(weight.data, precision)))


@everywhere
@every_format
def test_steps_are_the_same_with_and_without(device, precision, tensor_cores):
    results = []
    for rounding in (precision, None):
        net, adam = network(device)
        for parameter in adam.parameters:
            parameter.data[...] = backend.to_device(
                np.random.default_rng(1).standard_normal(parameter.data.shape).astype("float32"), device
            )
        with adam.rounding(rounding):
            results.append([step(net, adam, device) for _ in range(3)])
    np.testing.assert_array_equal(*results)


@everywhere
@pytest.mark.parametrize("precision", ["bf16"])
def test_a_loaded_state_is_rounded_anew(device, precision, tensor_cores):
    """Also where steps are replayed: the rounded weights stay in the same memory."""
    config = Config(width=2, image_size=16, z_dim=3, batch_size=4, precision=precision)
    gan, other = (GAN(config, np.random.default_rng(seed), device) for seed in (1, 2))
    with gan._rounding():
        numbers = gan.adam_D.rounded.numbers
    gan.load_state_dict(other.state_dict())
    assert gan.adam_D.rounded.numbers is numbers
    np.testing.assert_array_equal(host(numbers), host(factor(other.adam_D.data[0], precision)))
