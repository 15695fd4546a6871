"""The moving average of a network: the formula by plain numbers, in every cell; its block; its state."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_close, host
from gpunet import backend, optim
from gpunet.average import Average
from gpunet.layers import BatchNorm, Linear, Sequential


@pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("size", [1, 1023, 1025, 3001])
def test_the_formula(cell, size, dtype, tolerance):
    rng = np.random.default_rng(0)
    average, values = rng.standard_normal((2, size)).astype(dtype)
    there, state = cell.array(average.copy(), dtype), cell.array([1e-3, 0, 0, 0])
    for step in (1, 8, 100, 10_000):
        state[1] = step
        backend.average_update(there, cell.array(values, dtype), state, 0.999)
        decay = min(0.999, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * values
        assert_close(there, average, tolerance)
    assert decay == 0.999


def network(cell):
    """A network with parameters and running statistics, its Adam and its average."""
    net = Sequential(Linear(3, 4), BatchNorm(4), Linear(4, 2)).to(cell.device, "float64")
    adam = optim.Adam(net.parameters(), 0.1)
    return net, adam, Average(net, adam)


def train(net, adam, average, cell, steps=3):
    rng = np.random.default_rng(1)
    for _ in range(steps):
        adam.zero_grad()
        net.forward(cell.array(rng.standard_normal((6, 3))))
        net.backward(cell.array(rng.standard_normal((6, 2))))
        adam.step()


def test_parameters_and_running_statistics_are_averaged(cell):
    net, adam, average = network(cell)
    expected = {name: host(array).copy() for name, array in net.state_dict().items()}
    for step in range(1, 5):
        train(net, adam, average, cell, 1)
        decay = (1 + step) / (10 + step)
        for name, array in net.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * host(array)
    for name, array in average.state_dict().items():
        assert_close(array, expected[name], 1e-12, name)
        assert not np.array_equal(host(array), host(net.state_dict()[name]))


def test_the_block_ends_with_the_newest_weights(cell):
    net, adam, average = network(cell)
    train(net, adam, average, cell)
    x, before = cell.array(np.ones((2, 3))), net.state_dict()
    newest = host(net.eval().forward(x))
    with pytest.raises(KeyError), average.in_use():
        averaged = host(net.forward(x))
        raise KeyError
    assert np.array_equal(host(net.forward(x)), newest) and not np.array_equal(averaged, newest)
    assert all(np.array_equal(host(a), host(before[name])) for name, a in net.state_dict().items())
    train(net.train(), adam, average, cell)  # Adam knows its parameters again
    assert any(not np.array_equal(host(a), host(before[name])) for name, a in net.state_dict().items())


def test_a_state_goes_on_as_if_never_interrupted(cell):
    net, adam, average = network(cell)
    train(net, adam, average, cell)
    again, again_adam, again_average = network(cell)
    again.load_state_dict(net.state_dict())
    again_adam.load_state_dict(adam.state_dict())
    again_average.load_state_dict(average.state_dict())
    for one in ((net, adam, average), (again, again_adam, again_average)):
        train(*one, cell)
    for name, array in average.state_dict().items():
        assert np.array_equal(host(array), host(again_average.state_dict()[name])), name
    average.restart()
    assert all(np.array_equal(host(a), host(net.state_dict()[name])) for name, a in average.state_dict().items())


def test_misuse(cell):
    net, adam, average = network(cell)
    with pytest.raises(ValueError, match="got most=1.0"):
        Average(net, adam, 1.0)
    with pytest.raises(ValueError, match="missing 0.weight"):
        average.load_state_dict({})
