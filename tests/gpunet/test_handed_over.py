"""Factors inside a network: which layers hand them to a convolution, and that the numbers are the same as without."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import tensor_core_nets
from cases import host
from gpunet import backend
from gpunet.backend.choices import fusing
from gpunet.backend.epilogue import taken_apart
from gpunet.backend.factors import Factor, factor
from gpunet.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    LeakyReLU,
    Linear,
    ReLU,
    SpectralNorm,
    Tanh,
)
from gpunet.layers.base import unrounded
from tensor_core_nets import down, on_tensor_cores, up

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])


def spectral(layer):
    """Spectral norm whose u and v stay, so that two passes are the same."""
    return SpectralNorm(layer, iterations=0)


# name: the layers, the image, and which layers hand over a factor in tf32: forward (y) and backward (dx), as they are
# called; then the same in 16 bits, where all convolutions and batch norms do that stand side by side
NETS = {
    "discriminator": (
        lambda: (down(3, 8), LeakyReLU(), down(8, 16), BatchNorm(16), LeakyReLU(), down(16, 1)),
        (2, 8, 8, 3), ([0], [3, 2]), ([0, 2], [3, 2]),
    ),
    "generator": (
        lambda: (ConvTranspose2d(5, 16, 2, bias=False), BatchNorm(16), ReLU(), up(16, 8), BatchNorm(8), ReLU(),
                 up(8, 3, True), Tanh()),
        (2, 1, 1, 5), ([1, 4], [4]), ([1, 3, 4], [6, 4, 3]),
    ),
    "biases": (
        lambda: (down(8, 8, True), LeakyReLU(), down(8, 16, True), BatchNorm(16), LeakyReLU(), up(16, 8, True),
                 LeakyReLU(), down(8, 8)),
        (2, 8, 8, 8), ([0, 3], []), ([0, 2, 3], [5, 3, 2]),
    ),
    "spectral norm": (
        lambda: (spectral(down(3, 8)), LeakyReLU(), spectral(down(8, 16)), LeakyReLU(), spectral(down(16, 8)),
                 BatchNorm(8)),
        (2, 16, 8, 3), ([0, 2], [5, 4, 2]), ([0, 2, 4], [5, 4, 2]),
    ),
    "batch norm alone": (lambda: (up(8, 8), BatchNorm(8), down(8, 8)), (2, 3, 5, 8), ([1], [1]), ([0, 1], [2, 1])),
    "leaky ReLUs alone": (
        lambda: (down(8, 16), LeakyReLU(0.3), down(16, 8), LeakyReLU(0.1), down(8, 8), LeakyReLU(), up(8, 8)),
        (1, 8, 12, 8), ([0, 2, 4], [4, 2]), ([0, 2, 4], [6, 4, 2]),
    ),
    "leaky ReLU in front of batch norm": (
        lambda: (down(8, 8), LeakyReLU(), BatchNorm(8), down(8, 16), LeakyReLU(), LeakyReLU(), down(16, 8)),
        (2, 8, 8, 8), ([2], []), ([0, 2], [3, 2]),
    ),
    "other neighbours": (
        lambda: (down(8, 16), ReLU(), BatchNorm(16), Tanh(), up(16, 8), LeakyReLU(), Tanh(), down(8, 8)),
        (2, 4, 4, 8), ([], []), ([], []),
    ),
    "channels that are no multiples of 8": (
        lambda: (down(8, 12), BatchNorm(12), LeakyReLU(), down(12, 16)), (2, 8, 8, 8), ([], []), ([], [])
    ),
    "kernels as large as the image": (
        lambda: (ConvTranspose2d(16, 8, 4, bias=False), BatchNorm(8), ReLU(), Conv2d(8, 16, 4, bias=False),
                 LeakyReLU(), ConvTranspose2d(16, 8, 2, bias=False), BatchNorm(8), Flatten(), Linear(32, 2)),
        (3, 1, 1, 16), ([1, 3], [6, 1]), ([0, 1, 3, 5], [6, 5, 3, 1]),
    ),
}  # fmt: skip
every_net = pytest.mark.parametrize("name", NETS)


def built(name, device, dtype="float32"):
    """Return a net with random parameters, and its input."""
    layers, shape, *_ = NETS[name]
    return tensor_core_nets.built(layers(), shape, device, dtype)


def results(net, x):
    """Return y, dx and all gradients of one pass forward and backward."""
    y = net.forward(x)
    dy = backend.to_device(np.random.default_rng(1).standard_normal(y.shape).astype(str(x.dtype)), net_device(x))
    dx = net.backward(dy)
    return [host(array) for array in (y, dx, *(parameter.grad for parameter in net.parameters()))]


def net_device(x):
    return "cuda" if hasattr(x, "get") else "cpu"


def note(net, monkeypatch):
    """Return two lists that will hold which layers return a factor: forward and backward, by position."""
    handed = [], []
    for i, layer in enumerate(net.layers):
        monkeypatch.setattr(layer, "forward", noting(layer.forward, i, handed[0]))
        monkeypatch.setattr(layer, "backward", noting(layer.backward, i, handed[1]))
    return handed


def noting(function, position, found):
    """Return a function that adds a position to a list where its result is a factor."""

    def noted(*args, **more):
        result = function(*args, **more)
        found.extend([position] * isinstance(taken_apart(result)[0], Factor))
        return result

    return noted


def by_hand(name, device, precision, evaluated=False):
    """Return the results of a net whose layers hand over plain numbers, which are rounded where 16 bits store them.

    A convolution rounds what it multiplies by itself; so there is nothing to do where tf32 hands over a factor, too.
    """
    net, x = built(name, device)
    for layer in net.walk():
        for attribute in {"rounding_y", "rounding_dx"} & set(vars(layer)):
            setattr(layer, attribute, unrounded)
    _, _, *tables = NETS[name]
    for direction, function in enumerate(("forward", "backward")):
        stored = set(tables[1][direction]) - set(tables[0][direction]) if precision != "tf32" else ()
        for i in stored:
            setattr(net.layers[i], function, rounding(getattr(net.layers[i], function), precision))
    with net.eval().saving() if evaluated else contextlib.nullcontext():
        return results(net, x)


def rounding(function, precision):
    """Return a function that rounds the result of another one; it stays an array of float32, without any sums."""

    def rounded(*args, **more):
        numbers, _ = taken_apart(function(*args, **more))
        return Factor(factor(numbers, precision), precision).real()

    return rounded


@everywhere
@every_format
@every_net
def test_the_numbers_are_those_of_rounding_afterwards(device, precision, name):
    """In tf32 to the same bits. In 16 bits batch norm adds in another order, and some numbers round to a neighbour."""
    with on_tensor_cores(precision):
        found, expected = results(*built(name, device)), by_hand(name, device, precision)
    assert_same_numbers(found, expected, precision)
    with backend.use("kernels"), backend.use_precision("fp32"):
        exact = results(*built(name, device))
    tolerance = 0.1 if precision == "bf16" else 0.02  # bf16 has 8 bits: errors of some 2^-8 in each layer
    for a, b in zip(found, exact, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + 1e-4 + in_vain(b))


def assert_same_numbers(found, expected, precision):
    """Check that results are finite and equal: bit for bit in tf32, but for some roundings in 16 bits."""
    assert all(np.isfinite(array).all() for array in found)
    tolerance = {"tf32": 0, "bf16": 0.01, "fp16": 0.002}[precision]
    for a, b in zip(found, expected, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + in_vain(b))


def in_vain(gradient):
    """Return whether a gradient is 0 but for rounding: that of a bias in front of a batch norm, which takes it away."""
    return np.linalg.norm(gradient) < 0.1


@everywhere
@pytest.mark.parametrize("precision", ["tf32", "fp16"])
@every_net
def test_who_hands_over_factors(device, precision, name, monkeypatch):
    with on_tensor_cores(precision):
        net, x = built(name, device)
        forward, backward = note(net, monkeypatch)
        results(net, x)
    assert (forward, backward) == NETS[name][2 + (precision == "fp16")]


@everywhere
@every_format
@every_net
def test_a_frozen_net_passes_the_same_gradient_on(device, precision, name):
    """Its inputs are kept no longer than a leaky ReLU's derivative needs them."""
    with on_tensor_cores(precision):
        _, expected, *_ = results(*built(name, device))
        net, x = built(name, device)
        y = net.forward(x)
        net.forget()
        with net.frozen():
            y = net.forward(x)
            dy = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
            dx = net.backward(backend.to_device(dy, device))
    assert np.array_equal(host(dx), expected) and all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    "choice, dtype",
    [
        (lambda: backend.use_conv("auto"), "float32"),  # on the CPU
        (lambda: backend.use_conv("tiled"), "float32"),
        (lambda: backend.use("reference"), "float32"),
        (lambda: backend.use_conv("mma"), "float64"),
    ],
    ids=["auto", "tiled", "reference", "float64"],
)
def test_nobody_rounds_for_another_way_to_multiply(choice, dtype, monkeypatch):
    net, x = built("discriminator", "cpu", dtype)
    forward, backward = note(net, monkeypatch)
    with backend.use("kernels"), choice():
        results(net, x)
    assert (forward, backward) == ([], [])


@every_format
@pytest.mark.parametrize("fuses", [True, False])
def test_two_batches_in_one_pass(precision, fuses):
    """A tile would lie in both batches, so that sums are added in another order where one of the two passes fuses."""
    same = alike if fuses else np.array_equal
    with on_tensor_cores(precision), fusing(fuses):
        (joined, x), (single, _) = built("batch norm alone", "cpu"), built("batch norm alone", "cpu")
        twice = np.concatenate([x, 3 * x + 1])
        with joined.joined_batches(2):
            y = joined.forward(twice)
            dx = joined.backward(y.copy())
        for half, got, got_dx in zip((x, 3 * x + 1), np.split(y, 2), np.split(dx, 2), strict=True):
            y_half = single.forward(half)
            assert same(got, y_half) and same(got_dx, single.backward(y_half.copy()))


def test_evaluation_gives_the_numbers_of_rounding_afterwards():
    """A batch norm that uses its running averages hands over factors, too: the same layer by layer."""
    with on_tensor_cores("bf16"):
        net, x = built("generator", "cpu")
        net.eval()
        y = net.forward(x)
        for layer in net._steps:
            x = layer.forward(x)
            x = x if isinstance(x, Factor) or layer is net._steps[-1] else x.copy()
    assert np.array_equal(x, y)


def alike(found, wanted):
    """A sum in another order may move numbers across the border between two numbers of a factor."""
    return np.linalg.norm(found - wanted) <= 0.01 * np.linalg.norm(wanted)


@everywhere
@every_format
@every_net
def test_gradients_in_evaluation_are_those_of_rounding_afterwards(device, precision, name):
    """Within `saving` batch norm takes its running averages; the same layers hand over factors."""
    with on_tensor_cores(precision):
        net, x = built(name, device)
        with net.eval().saving():
            found = results(net, x)
        assert_same_numbers(found, by_hand(name, device, precision, evaluated=True), precision)


def test_a_factor_of_another_precision_is_refused():
    """Between forward and backward the precision must stay the same."""
    with on_tensor_cores("tf32"):
        layer, x = down(8, 16), np.ones((1, 4, 4, 8), "float32")
        wrong = Factor(factor(x, "bf16"), "bf16")
        with pytest.raises(ValueError, match="got a factor of bf16, expected tf32"):
            layer.forward(wrong)


@every_format
def test_gradients_land_in_the_buffer_of_an_optimiser(precision):
    """What an earlier step left there does not matter; a second gradient is added."""
    from gpunet.optim import Adam

    with on_tensor_cores(precision):
        free, x = built("biases", "cpu")
        bound, _ = built("biases", "cpu")
        optimiser = Adam([*Linear(3, 1, bias=False).parameters(), *bound.parameters()])
        for buffer in optimiser.grad:
            buffer[...] = np.nan
        for _ in range(2):
            results(free, x)
            results(bound, x)
    for own, other in zip(bound.parameters(), free.parameters(), strict=True):
        assert own.grad is own.grad_buffer and np.array_equal(own.grad, other.grad)
