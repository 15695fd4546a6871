"""The layer protocol: names, modes, the guarded slot, state and devices."""

import contextlib

import numpy as np
import pytest

from cases import assert_close, host
from gpunet import backend, layers, loops
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, Flatten, LeakyReLU, Linear, ReLU, Sequential


def small_net():
    return Sequential(Conv2d(2, 3, 3, padding=1), BatchNorm(3), ReLU(), Flatten(), Linear(12, 2))


def test_names_are_stable_and_in_declared_order():
    names = [name for name, _ in small_net().named_parameters()]
    assert names == ["0.weight", "0.bias", "1.scale", "1.shift", "4.weight", "4.bias"]
    assert list(small_net().state_dict()) == [*names, "1.running_mean", "1.running_var"]
    nested = Sequential(Sequential(Linear(1, 2)), Sequential(ReLU(), Linear(2, 1, bias=False)))
    assert [name for name, _ in nested.named_parameters()] == ["0.0.weight", "0.0.bias", "1.1.weight"]
    assert len(nested.parameters()) == 3


def test_shapes_of_parameters_are_as_documented():
    shapes = {
        Conv2d(3, 8, (4, 5)): [(4, 5, 3, 8), (8,)],
        ConvTranspose2d(3, 8, (4, 5)): [(4, 5, 8, 3), (8,)],
        Linear(3, 8): [(3, 8), (8,)],
        BatchNorm(3): [(3,), (3,)],
        BatchNorm(3, scale=False): [(3,)],
        Conv2d(3, 8, 1, bias=False): [(1, 1, 3, 8)],
    }
    for layer, expected in shapes.items():
        assert [p.data.shape for p in layer.parameters()] == expected, layer
        assert all(p.data.dtype == np.float32 and p.grad is None for p in layer.parameters())


@pytest.mark.parametrize("momentum", [0.1, 0.5])
def test_running_statistics_by_value(cell, momentum):
    """new = (1 - momentum) old + momentum batch, unbiased variance; evaluation normalises with them and leaves them."""
    rng = np.random.default_rng(0)
    layer = BatchNorm(3, momentum=momentum).to(cell.device, "float64")
    mean, var = np.zeros(3), np.ones(3)
    for _ in range(3):
        x = 2 + 3 * rng.standard_normal((4, 2, 2, 3))
        layer.forward(cell.array(x))
        layer.forget()
        batch_mean, batch_var = map(np.array, loops.channel_statistics(x))
        mean = (1 - momentum) * mean + momentum * batch_mean
        var = (1 - momentum) * var + momentum * batch_var * 16 / 15
        assert_close(layer.buffers["running_mean"], mean, 1e-13, "running mean")
        assert_close(layer.buffers["running_var"], var, 1e-13, "running variance")
    y = layer.eval().forward(cell.array(x))
    assert_close(y, loops.batchnorm_inference(x, mean, var, np.ones(3), np.zeros(3), layer.eps), 1e-12)
    assert_close(layer.buffers["running_mean"], mean, 1e-13, "after evaluation")


def test_evaluation_does_not_depend_on_the_batch(cell):
    net = small_net().to(cell.device, "float64").eval()
    x = cell.array(np.random.default_rng(0).standard_normal((5, 2, 2, 2)))
    whole = net.forward(x)
    for i in range(5):
        assert_close(net.forward(x[i : i + 1]), host(whole)[i : i + 1], 1e-14)
    assert net.training is False and all(layer._saved is None for layer in net.walk())


def test_forward_between_forward_and_backward_is_refused_and_forgotten(cell):
    """D(real), D(fake), backward would mix the two; the second forward raises, forget() starts over."""
    net = Sequential(Linear(2, 2)).to(cell.device, "float64")
    x = cell.array(np.eye(2))
    net.forward(x)
    with pytest.raises(RuntimeError, match=r"Linear\(2, 2\).*call backward after each forward"):
        net.forward(x)
    net.forget()
    net.forward(2 * x)
    net.backward(cell.array(np.ones((2, 2))))
    assert_close(net.parameters()[0].grad, np.full((2, 2), 2.0), 0.0)


def test_frozen_is_undone_when_the_block_raises():
    net = small_net()
    net.parameters()[0].trainable = False
    with contextlib.suppress(ZeroDivisionError), net.frozen():
        assert not any(parameter.trainable for parameter in net.parameters())
        raise ZeroDivisionError
    assert [parameter.trainable for parameter in net.parameters()] == [False] + [True] * 5


def test_state_dict_is_a_copy_and_comes_back(cell):
    net, other = (small_net().to(cell.device) for _ in range(2))
    net.forward(cell.array(np.random.default_rng(0).standard_normal((3, 2, 2, 2)), "float32"))
    state = net.state_dict()
    other.load_state_dict({name: host(array) for name, array in state.items()})  # from the host to any device
    net.parameters()[0].data[...] = 0
    for name, array in other.state_dict().items():
        assert host(array).tolist() == host(state[name]).tolist(), name
        assert backend.device_of(array) == cell.device
    assert np.abs(host(state["0.weight"])).min() > 0


def test_state_dict_that_does_not_fit_names_every_problem():
    net, state = small_net(), small_net().state_dict()
    before = net.state_dict()
    del state["1.scale"]
    state |= {"9.bias": np.zeros(2), "4.bias": np.zeros(7)}
    with pytest.raises(ValueError) as error:
        net.load_state_dict(state)
    for part in ("missing 1.scale", "unexpected 9.bias", "4.bias has shape (7,), expected (2,)"):
        assert part in str(error.value)
    assert all((net.state_dict()[name] == before[name]).all() for name in before)


def test_to_changes_parameters_and_buffers(cell):
    net = small_net().to(cell.device, "float64")
    assert {str(array.dtype) for array in net.state_dict().values()} == {"float64"}
    assert {backend.device_of(array) for array in net.state_dict().values()} == {cell.device}
    assert net.to("cpu") is net and isinstance(net.parameters()[0].data, np.ndarray)
    with pytest.raises(ValueError, match="got device 'tpu', expected one of cpu, cuda"):
        net.to("tpu")


def test_use_is_a_block_and_a_statement():
    with backend.use("reference"):
        assert backend.implementation() == "reference"
        with backend.use("kernels"):
            assert backend.implementation() == "kernels"
        assert backend.implementation() == "reference"
        backend.use("kernels")
        assert backend.implementation() == "kernels"


def test_every_layer_prints_what_it_is():
    net = Sequential(Conv2d(3, 8, 4, stride=2, padding=1, bias=False), BatchNorm(8, scale=False), LeakyReLU(0.2))
    text = repr(net)
    for part in ("Conv2d(3, 8, (4, 4), stride=(2, 2), padding=(1, 1), bias=False)", "scale=False", "LeakyReLU(0.2)"):
        assert part in text
    assert repr(layers.Tanh()) == "Tanh()"
