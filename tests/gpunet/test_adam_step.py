"""A whole step of Adam in one launch: the bits of the launches it stands for, whatever happens between two steps."""

import importlib

import numpy as np
import pytest

from cases import host
from gpunet import backend, kernels, optim
from gpunet.average import Average
from gpunet.backend import choices, loss_scale
from gpunet.backend.devices import written
from gpunet.backend.factors import DTYPES
from gpunet.layers import BatchNorm, Layer, Linear, Parameter, Sequential

PLACES = [("cpu", "float32"), ("cpu", "float64")]
PLACES += [pytest.param("cuda", dtype, marks=pytest.mark.cuda) for dtype in ("float32", "float64")]
on_both = pytest.mark.parametrize("device, dtype", PLACES)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Sums and steps in one launch, on the CPU, too: there the exact path runs them."""
    for name in ("adam", "loss_scale"):
        monkeypatch.setattr(importlib.import_module(f"gpunet.backend.{name}"), "at_once", lambda array: True)
    with backend.use("kernels"):
        yield


class Vectors(Layer):
    """Nothing but a vector."""

    def __init__(self):
        super().__init__()
        self.vector = Parameter(np.ones(5, "float32"))


class Buffers(Sequential):
    """A matrix, vectors, and buffers of both kinds."""

    def __init__(self):
        super().__init__(Linear(37, 41), BatchNorm(41), Linear(41, 1))
        self.buffers = {"u": np.ones(3, "float32"), "square": np.ones((2, 3), "float32")}


NETWORKS = {
    "several blocks": lambda: Sequential(Linear(50, 41), BatchNorm(41), Linear(41, 1)),
    "one matrix": lambda: Sequential(Linear(3, 5, bias=False)),
    "one vector": Vectors,
    "buffers of both kinds": Buffers,
}
OPTIONS = {
    "plain": {},
    "decay": {"weight_decay": 0.1},
    "scaled": {"loss_scale": 4.0},
    "all": {"loss_scale": 4.0, "weight_decay": 0.1, "clip_grad": 0.5, "accumulate": 2, "betas": (0.9, 0.99)},
}


def train(device, dtype, make, options, averaged, rounding=None, steps=6):
    """Return every number behind some steps, whose learning rates differ; the third has an infinite gradient."""
    net = make().to(device, dtype)
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        parameter.data[...] = backend.to_device(rng.standard_normal(parameter.data.shape).astype(dtype), device)
    adam = optim.Adam(net.parameters(), 0.1, **options)
    average = Average(net, adam, 0.3) if averaged else None
    for step in range(steps * adam.accumulate):
        adam.lr = 0.1 / (1 + step)
        adam.zero_grad()
        for parameter in adam.parameters:
            gradient = rng.standard_normal(parameter.data.shape).astype(dtype)
            gradient.ravel()[-1] = np.inf if step == 2 and adam.scaling is not None else 1
            parameter.add_grad(written, backend.to_device(gradient, device))
        for buffer in net.buffers.values():
            buffer += 1
        with adam.rounding(rounding):
            adam.step()
        if step == 3:  # a checkpoint is loaded: nothing that was worked out ahead may count any more
            adam.load_state_dict(adam.state_dict() | {"step": 9})
    arrays = [*adam.data, *adam.m, *adam.v, *adam.grad, adam.state[:2]]
    arrays += [] if average is None else average.state_dict().values()
    arrays += [] if adam.rounded is None else [adam.rounded.numbers]
    arrays += [] if adam.scaling is None else [adam.scaling]
    return [host(array).copy() for array in arrays]


def both(monkeypatch, *args, **more):
    """Return the numbers of steps of one launch, and of steps of several, and how many launches each has."""
    found, launched, launch = [], [], kernels.launch

    def noted(entry, *args, **more):
        launched.append(entry)
        launch(entry, *args, **more)

    monkeypatch.setattr(kernels, "launch", noted)
    for on in (True, False):
        launched.clear()
        with choices.fusing(on):
            numbers = train(*args, **more)
        found.append((numbers, [name for name in launched if "adam" in name or "average" in name]))
    return found


@on_both
@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_step_in_one_launch_has_the_same_bits(monkeypatch, device, dtype, make, options, averaged):
    (numbers, launched), (expected, apart) = both(monkeypatch, device, dtype, make, options, averaged)
    assert len(numbers) == len(expected)
    for ours, theirs in zip(numbers, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    others = 6 * (averaged and make is Buffers)  # a second buffer has a launch of its own
    assert launched.count("adam.adam_at_once") == 6 and len(launched) == 6 + others < len(apart)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
@pytest.mark.parametrize("precision", list(DTYPES))
@pytest.mark.parametrize("make", list(NETWORKS.values())[:2], ids=list(NETWORKS)[:2])
def test_so_has_a_step_that_rounds_the_matrices(monkeypatch, device, precision, make):
    args = device, "float32", make, OPTIONS["all"], True
    (numbers, launched), (expected, _) = both(monkeypatch, *args, rounding=precision)
    for ours, theirs in zip(numbers, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert launched == [f"factors/factors_{precision}.adam_at_once"] * 6


@on_both
def test_steps_of_both_kinds_may_follow_each_other(device, dtype):
    """Also behind a step that was left out, whose numbers hold for the next one."""
    results = []
    for order in ([True, False, True, True, False, False, True], [False] * 7):
        net = Sequential(Linear(3, 5)).to(device, dtype)
        adam = optim.Adam(net.parameters(), 0.1, loss_scale=8.0)
        rng = np.random.default_rng(0)
        for parameter in adam.parameters:
            parameter.data[...] = 1
        for step, on in enumerate(order):
            for parameter in adam.parameters:
                gradient = rng.standard_normal(parameter.data.shape) * (np.nan if step in (1, 3) else 1)
                parameter.grad = None
                parameter.add_grad(written, backend.to_device(gradient.astype(dtype), device))
            with choices.fusing(on):
                adam.step()
        assert adam.state_dict()["step"] == 5
        results.append([host(array) for array in (*adam.data, *adam.m, *adam.v)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@on_both
@pytest.mark.parametrize("sizes", [(1,), (1024,), (3001, 7), (5, 2050)])
@pytest.mark.parametrize("wrong", [None, (0, 0), (0, -1), (-1, -1)])
def test_gradients_are_unscaled_in_one_launch(device, dtype, sizes, wrong):
    """An overflow at either end of either gradient is found."""
    rng, results = np.random.default_rng(0), []
    values = [rng.standard_normal(size).astype(dtype) for size in sizes]
    if wrong:
        values[wrong[0]][wrong[1]] = np.inf
    for on in (True, False):
        scaling, grads = loss_scale.new_scaling(device, 64.0), [backend.to_device(a.copy(), device) for a in values]
        with choices.fusing(on):
            for _ in range(2):  # the flag of the first does not stay
                backend.unscale_gradients(scaling, *grads, grow_every=2)
        results.append([host(array) for array in (scaling, *grads)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert results[0][0][loss_scale.SCALE] == (16 if wrong else 128)
