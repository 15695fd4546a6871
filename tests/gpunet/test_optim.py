"""Adam against the paper's algorithm, number by number; its buffers, state and misuse."""

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend, flat, loops
from gpunet.backend.devices import written
from gpunet.layers import Linear, Parameter, Sequential
from gpunet.optim import Adam


def parameters(cell, dtype="float64"):
    rng = np.random.default_rng(0)
    return [Parameter(cell.array(rng.standard_normal(shape), dtype)) for shape in ((2, 3), (4,))]


def packed(buffer, optimiser):
    """The numbers of an optimiser's buffer without the gaps between its parameters."""
    return flat.packed(buffer, [parameter.data for parameter in optimiser.parameters])


def gradients(cell, steps, dtype="float64"):
    """Random gradients of very different sizes, some exactly 0."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        yield [cell.array(rng.choice([0, 1e-4, 1, 1e3], s) * rng.standard_normal(s), dtype) for s in ((2, 3), (4,))]


def take_step(optimiser, values):
    optimiser.zero_grad()
    for parameter, gradient in zip(optimiser.parameters, values, strict=True):
        parameter.add_grad(written, gradient)
    optimiser.step()


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 50 * EPS32)])
@pytest.mark.parametrize("betas, eps", [((0.5, 0.999), 1e-8), ((0.9, 0.99), 1e-3)])
def test_values_and_moments_follow_the_paper(cell, betas, eps, dtype, tolerance):
    optimiser = Adam(parameters(cell, dtype), lr=0.01, betas=betas, eps=eps)
    start = host(packed(optimiser.data, optimiser)).astype("float64")
    history = [np.concatenate([host(g).ravel() for g in step]) for step in gradients(cell, 5, dtype)]
    per_number = zip(start, np.array(history, "float64").T, strict=True)
    expected = [list(loops.adam(p, g, 0.01, betas, eps)) for p, g in per_number]
    for t, step in enumerate(gradients(cell, 5, dtype)):
        take_step(optimiser, step)
        param, m, v = np.array([numbers[t] for numbers in expected]).T
        for name, actual, wanted in (("param", optimiser.data, param), ("m", optimiser.m, m), ("v", optimiser.v, v)):
            assert_close(packed(actual, optimiser), wanted, tolerance, f"{name} after step {t + 1}")


def test_parameters_are_views_of_flat_buffers_in_declared_order(cell):
    first, second = both = parameters(cell)
    before = [host(parameter.data).copy() for parameter in both]
    optimiser = Adam(both)
    assert host(packed(optimiser.data, optimiser)).tolist() == np.concatenate([a.ravel() for a in before]).tolist()
    for data in optimiser.data:
        data[...] = 7
    assert (host(first.data) == 7).all() and (host(second.data) == 7).all()
    first.add_grad(written, cell.array(np.ones((2, 3))))
    assert host(packed(optimiser.grad, optimiser)).tolist() == [1] * 6 + [0] * 4


def test_every_parameter_begins_where_16_bytes_can_be_read(cell):
    """Behind a parameter of odd size, too, and with a gap that stays zero; a checkpoint has no gaps."""
    shapes = (3, 5), (1,), (65,), (4, 4)
    rng = np.random.default_rng(0)
    optimiser = Adam([Parameter(cell.array(rng.standard_normal(s), "float32")) for s in shapes], weight_decay=0.1)
    for _ in range(2):
        take_step(optimiser, [cell.array(rng.standard_normal(s), "float32") for s in shapes])
    for parameter in optimiser.parameters:
        kind = parameter.data.ndim == 1  # the matrices' buffer, or that of the vectors
        for array, whole in ((parameter.data, optimiser.data[kind]), (parameter.grad_buffer, optimiser.grad[kind])):
            begin, own = (a.ctypes.data if cell.device == "cpu" else a.data.ptr for a in (whole, array))
            assert (own - begin) % 16 == 0 and 0 <= own - begin < whole.nbytes
    used = [np.zeros(data.size, bool) for data in optimiser.data]
    for view in flat.views(used, [parameter.data for parameter in optimiser.parameters]):
        view[...] = True
    for name in ("data", "grad", "m", "v"):
        for buffer, taken in zip(map(host, getattr(optimiser, name)), used, strict=True):
            assert (buffer[~taken] == 0).all() and (buffer[taken] != 0).all(), name
    assert optimiser.state_dict()["m"].shape == (15 + 1 + 65 + 16,)


def test_a_network_can_be_loaded_and_run_after_the_optimiser_was_made(cell):
    net, other = (Sequential(Linear(2, 3), Linear(3, 1)).to(cell.device, "float64") for _ in range(2))
    optimiser = Adam(net.parameters(), lr=0.1)
    net.load_state_dict(other.state_dict())
    net.forward(cell.array(np.eye(2)))
    net.backward(cell.array(np.ones((2, 1))))
    optimiser.step()
    before = other.state_dict()
    for name, parameter in net.named_parameters():  # the first step is lr g / (|g| + eps)
        size = np.abs(host(parameter.grad))
        step = np.abs(host(parameter.data) - host(before[name]))
        np.testing.assert_allclose(step, 0.1 * size / (size + 1e-8), rtol=1e-6)


def test_saved_state_continues_bit_for_bit(cell):
    steps = list(gradients(cell, 6))
    straight, stopped = Adam(parameters(cell)), Adam(parameters(cell))
    for step in steps:
        take_step(straight, step)
    for step in steps[:3]:
        take_step(stopped, step)
    resumed = Adam(parameters(cell), lr=1.0)
    for data, saved in zip(resumed.data, stopped.data, strict=True):
        data[...] = saved
    resumed.load_state_dict({k: host(v) if hasattr(v, "shape") else v for k, v in stopped.state_dict().items()})
    stopped.m[0][...] = 0  # the state was a copy
    for step in steps[3:]:
        take_step(resumed, step)
    for name in ("data", "m", "v"):
        both = zip(getattr(resumed, name), getattr(straight, name), strict=True)
        assert all(host(ours).tolist() == host(theirs).tolist() for ours, theirs in both), name
    assert resumed.lr == 2e-4 and resumed.state_dict()["step"] == 6


def test_learning_rate_can_be_set(cell):
    optimiser = Adam(parameters(cell), lr=0.5)
    before = host(packed(optimiser.data, optimiser)).tolist()
    optimiser.lr = 0.0
    take_step(optimiser, next(gradients(cell, 1)))
    assert optimiser.lr == 0.0 and host(packed(optimiser.data, optimiser)).tolist() == before


def test_zero_grad_forgets_and_the_next_backward_stores(cell):
    optimiser = Adam(parameters(cell))
    first, _ = optimiser.parameters
    first.add_grad(written, cell.array(np.ones((2, 3))))
    first.add_grad(written, cell.array(np.ones((2, 3))))
    assert host(first.grad).tolist() == np.full((2, 3), 2.0).tolist()
    optimiser.zero_grad()
    assert first.grad is None
    first.add_grad(written, cell.array(np.ones((2, 3))))
    assert host(first.grad).tolist() == np.ones((2, 3)).tolist()


def test_misuse_is_refused(cell):
    for kwargs in ({"lr": -1}, {"betas": (0.9, 1.0)}, {"eps": 0}, {"lr": float("nan")}):
        with pytest.raises(ValueError, match="expected lr >= 0"):
            Adam(parameters(cell), **kwargs)
    with pytest.raises(ValueError, match="no trainable parameters"):
        Adam([])
    with pytest.raises(RuntimeError, match=r"parameter 0 of shape \(2, 3\) has no gradient: run backward before step"):
        Adam(parameters(cell)).step()
    net = Linear(2, 2).to(cell.device)
    optimiser = Adam(net.parameters())
    net.to(dtype="float64")
    with pytest.raises(RuntimeError, match=r"was replaced.*after net\.to\(\)"):
        optimiser.step()
    with pytest.raises(ValueError, match="expected m and v of size 6"):
        optimiser.load_state_dict({"m": np.zeros(5), "v": np.zeros(6), "step": 0, "lr": 0.1})


def test_parameters_that_are_not_trainable_stay(cell):
    first, second = parameters(cell)
    second.trainable = False
    before = host(second.data).copy()
    optimiser = Adam([first, second])
    assert optimiser.parameters == [first] and backend.device_of(optimiser.data[0]) == cell.device
    take_step(optimiser, [cell.array(np.ones((2, 3)))])
    assert host(second.data).tolist() == before.tolist()
