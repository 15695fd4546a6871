"""Sums for batch norm that a convolution next to it computes: the numbers are those of separate launches."""

from __future__ import annotations

import numpy as np
import pytest

import tensor_core_nets
from cases import host
from gpunet import backend, kernels
from gpunet.backend.choices import fused, fusing
from gpunet.backend.epilogue import Summed
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, ReLU, Sequential, SpectralNorm, Tanh
from gpunet.optim import Adam
from tensor_core_nets import down, on_tensor_cores, up

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", ["tf32", "tf32x3", "bf16", "fp16"])
SUMS = ("statistics", "backward_reduce")  # the launches that are saved


# name: the layers, the image, and how many of the batch norms have a neighbour that sums for them: in forward, and in
# backward where their x is in the format of the factors
NETS = {
    "discriminator": (
        lambda: (down(3, 8), LeakyReLU(), down(8, 16), BatchNorm(16), LeakyReLU(), down(16, 24), BatchNorm(24),
                 LeakyReLU(), down(24, 1)),
        (4, 16, 16, 3), 2, 1,
    ),
    "generator": (
        lambda: (ConvTranspose2d(5, 16, 2, bias=False), BatchNorm(16), ReLU(), up(16, 8), BatchNorm(8), ReLU(),
                 up(8, 3, True), Tanh()),
        (4, 1, 1, 5), 1, 2,
    ),
    "no activation, no scale, a bias": (
        lambda: (down(8, 16, True), BatchNorm(16, scale=False), down(16, 8), BatchNorm(8, shift=False), Tanh()),
        (3, 12, 8, 8), 2, 1,
    ),
    "spectral norm": (
        lambda: (SpectralNorm(down(8, 8), iterations=0), BatchNorm(8), LeakyReLU(), SpectralNorm(down(8, 8), 0)),
        (2, 16, 8, 8), 1, 1,
    ),
    "leaky ReLU in front of batch norm": (
        lambda: (down(8, 8), LeakyReLU(), BatchNorm(8), LeakyReLU(0.3), down(8, 16)), (2, 8, 8, 8), 1, 1,
    ),
    "phases of unequal sizes": (
        lambda: (down(8, 8), BatchNorm(8), ReLU(), Conv2d(8, 8, 3, 2)), (2, 10, 10, 8), 1, 0,
    ),
}  # fmt: skip
every_net = pytest.mark.parametrize("name", NETS)


def built(name, device, dtype="float32"):
    """Return a net with random parameters, and its input."""
    layers, shape, *_ = NETS[name]
    return tensor_core_nets.built(layers(), shape, device, dtype)


def passed(net, x, backward=True):
    """Return y, dx, all gradients and the running averages after one pass forward and backward."""
    y = net.forward(x)
    dy = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
    dx = [net.backward(backend.to_device(dy, backend.device_of(x)))] if backward else []
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    return [host(array) for array in (y, *dx, *gradients, *(buffer for _, buffer in net.named_buffers()))]


def alike(found, expected, tolerance=2e-5):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert np.linalg.norm(a - b) <= tolerance * (np.linalg.norm(b) + 0.1), np.linalg.norm(a - b)


# A sum in another order may move a number across the border between two numbers of a factor.
TOLERANCE = {"tf32": 1e-3, "tf32x3": 2e-5, "bf16": 1e-2, "fp16": 1e-3}


@everywhere
@every_format
@every_net
def test_fused_is_unfused(device, precision, name):
    with on_tensor_cores(precision):
        found = passed(*built(name, device))
        with fusing(False):
            alike(found, passed(*built(name, device)), TOLERANCE[precision])
    if precision == "tf32x3":
        with backend.use("reference"):  # and both are what array code says
            alike(found, passed(*built(name, device)), 1e-4)


@everywhere
@every_net
def test_which_launches_are_saved(device, name, monkeypatch):
    launched, launch = [], kernels.launch

    def noting(entry, *args, **more):
        launched.append(entry)
        return launch(entry, *args, **more)

    monkeypatch.setattr(kernels, "launch", noting)
    counts = []
    for on in (True, False):
        launched.clear()
        with on_tensor_cores("tf32"), fusing(on):
            passed(*built(name, device))
        counts.append([sum(entry.split(".")[-1].startswith(what) for entry in launched) for what in SUMS])
    fewer = [without - within for within, without in zip(*counts, strict=True)]
    assert fewer == list(NETS[name][2:])


@everywhere
def test_two_batches(device):
    """Halves with statistics of their own; a tile that would lie in both leaves the sums to batch norm."""
    for images in (16, 6):
        results = []
        for on in (True, False):
            net, _ = built("discriminator", device)
            x = np.random.default_rng(2).standard_normal((images, 32, 32, 3)).astype("float32")
            with on_tensor_cores("tf32"), net.joined_batches(2), fusing(on):
                results.append(passed(net, backend.to_device(x, device)))
        alike(*results, TOLERANCE["tf32"])


@everywhere
@every_net
def test_a_frozen_net(device, name):
    """dx is the same; no gradient of a parameter appears."""
    with on_tensor_cores("tf32"):
        _, expected, *_ = passed(*built(name, device))
        net, x = built(name, device)
        with net.frozen():
            _, dx, *_ = passed(net, x)
    assert np.array_equal(dx, expected) and all(parameter.grad is None for parameter in net.parameters())


@everywhere
def test_gradients_are_added_up(device):
    """The first lands in an optimiser's buffer, whatever an earlier step left there; the second is added."""
    with on_tensor_cores("tf32"):
        (bound, x), (free, _) = built("discriminator", device), built("discriminator", device)
        optimiser = Adam(bound.parameters())
        for buffer in optimiser.grad:
            buffer[...] = np.nan
        for _ in range(2):
            alike(passed(bound, x), passed(free, x), 0)
    assert all(own.grad is own.grad_buffer for own in bound.parameters())


@everywhere
def test_evaluation_sums_nothing(device):
    """By running averages; or by the batch's statistics, which move nothing then."""
    with on_tensor_cores("tf32"):
        for batch_statistics in (False, True):
            pairs = []
            for on in (True, False):
                net, x = built("discriminator", device)
                for layer in net.walk():
                    layer.batch_statistics = batch_statistics
                with net.eval().saving(), fusing(on):
                    pairs.append(passed(net, x))
            alike(*pairs, TOLERANCE["tf32"])
            assert all(np.all(host(value) == (key.endswith("var"))) for key, value in net.named_buffers())


def test_answers_are_arrays():
    with on_tensor_cores("tf32"):
        net, x = built("discriminator", "cpu")
        answers = [(layer, y) for _, layer, y in net.answers(x)]
    assert not any(isinstance(y, Summed) for _, y in answers)
    assert answers[1][0] is net.layers[2] and answers[1][1].shape == (4, 4, 4, 16)


def test_a_layer_of_another_list_is_alone():
    """What two neighbours settled does not outlive their list."""
    with on_tensor_cores("tf32"):
        net, x = built("leaky ReLU in front of batch norm", "cpu")
        conv = net.layers[0]
        assert isinstance(conv.forward(x), Summed)
        conv.forget()
        Sequential(conv)
        assert isinstance(conv.forward(x), np.ndarray)


def test_the_switch():
    assert fused()
    with fusing(False):
        assert not fused()
        with fusing(True):
            assert fused()
    assert fused()


@pytest.mark.parametrize("wrong, message", [("one row", "got one row"), ("batches", "2 batches of equal size")])
def test_refused_passes_leave_the_averages_alone(wrong, message):
    with on_tensor_cores("tf32"):
        net, x = Sequential(down(8, 8), BatchNorm(8)), np.ones((1, 2, 2, 8), "float32")
        batches = 2 if wrong == "batches" else 1
        x = np.ones((3, 32, 32, 8), "float32") if wrong == "batches" else x
        with net.joined_batches(batches), pytest.raises(ValueError, match=message):
            net.forward(x)
    assert (net.layers[1].buffers["running_mean"] == 0).all()


@everywhere
def test_fifty_steps_repeat(device):
    with on_tensor_cores("tf32"):
        runs = [passed(*built("discriminator", device)) for _ in range(50 if device == "cpu" else 3)]
    assert all(np.array_equal(a, b) for run in runs for a, b in zip(run, runs[0], strict=True))
