"""Gradients of a largest norm: PyTorch's clip_grad_norm_ is the judge; Adam with it, and with gathered gradients."""

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend
from gpunet.backend.devices import written
from gpunet.backend.gradient_norm import FACTOR, NORM
from gpunet.backend.loss_scale import new_scaling
from gpunet.layers import Parameter
from gpunet.optim import Adam

SIZES = [(1, 1), (7, 300), (1024, 5), (70_001, 64)]


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 20 * EPS32)])
@pytest.mark.parametrize("most", [0.5, 1e3])
@pytest.mark.parametrize("sizes", SIZES)
def test_pytorch(cell, sizes, most, dtype, tolerance):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    grads = [rng.standard_normal(size) * rng.choice([1e-3, 1, 10], size) for size in sizes]
    tensors = [torch.zeros(size, dtype=torch.float64) for size in sizes]
    for tensor, grad in zip(tensors, grads, strict=True):
        tensor.grad = torch.tensor(grad)
    norm = torch.nn.utils.clip_grad_norm_(tensors, most)
    own, clip = [cell.array(grad.copy(), dtype) for grad in grads], cell.array(np.zeros(2))
    backend.gradient_norm(clip, most, *own)
    assert_close(clip[NORM], norm.numpy(), tolerance, "norm")
    for grad, tensor in zip(own, tensors, strict=True):
        assert_close(backend.scale_gradient(grad, clip), tensor.grad.numpy(), tolerance, "gradient")
    again = cell.array(np.zeros(2))
    backend.gradient_norm(again, most, *(cell.array(grad, dtype) for grad in grads))
    assert host(again).tolist() == host(clip).tolist()


def test_gradients_that_adam_leaves_out_have_no_norm(cell):
    """After an overflow of the scaled loss; without one an infinity shows, so that the run can end."""
    scaling, clip = new_scaling(cell.device, 2.0**10), cell.array(np.zeros(2))
    grad = cell.array([1.0, np.inf], "float32")
    backend.unscale_gradients(scaling, grad)
    backend.gradient_norm(clip, 1.0, grad, scaling=scaling)
    assert host(clip)[NORM] == 0 and host(clip)[FACTOR] == 1
    backend.gradient_norm(clip, 1.0, grad)
    assert host(clip)[NORM] == np.inf and host(clip)[FACTOR] == 0


def parameters(cell, dtype="float64"):
    rng = np.random.default_rng(0)
    return [Parameter(cell.array(rng.standard_normal(shape), dtype)) for shape in ((2, 3), (4,))]


def backward(optimiser, cell, values, dtype="float64"):
    """A backward pass that finds these gradients of the loss."""
    optimiser.zero_grad()
    for parameter, value in zip(optimiser.parameters, values, strict=True):
        parameter.add_grad(written, optimiser.scaled(cell.array(value.copy(), dtype)))
    optimiser.step()


def gradients(count, seed=1):
    rng = np.random.default_rng(seed)
    return [[rng.standard_normal(shape) for shape in ((2, 3), (4,))] for _ in range(count)]


@pytest.mark.parametrize("scale", [None, 2.0**8])
def test_adam_takes_the_clipped_gradient(cell, scale):
    """As PyTorch's, with a scaled loss, too: the norm is that of the gradient itself."""
    torch = pytest.importorskip("torch")
    own = Adam(parameters(cell), 0.01, clip_grad=0.7, weight_decay=0.1, loss_scale=scale)
    tensors = [torch.tensor(host(parameter.data).copy()) for parameter in own.parameters]
    theirs = torch.optim.Adam(tensors, 0.01, (0.5, 0.999), weight_decay=0.1)
    for values in gradients(4):
        for tensor, value in zip(tensors, values, strict=True):
            tensor.grad = torch.tensor(value)
        norm = torch.nn.utils.clip_grad_norm_(tensors, 0.7)
        theirs.step()
        backward(own, cell, values)
        assert_close(own.norm, norm.numpy(), 1e-12)
    for parameter, tensor in zip(own.parameters, tensors, strict=True):
        assert_close(parameter.data, tensor.numpy(), 1e-10)


@pytest.mark.parametrize("options", [{}, {"clip_grad": 0.3}, {"loss_scale": 2.0**8}], ids=["", "clipped", "scaled"])
def test_gathered_gradients_are_their_mean(cell, options):
    """Six backward passes, three for an update, against two updates by the means."""
    gathering, plain = (Adam(parameters(cell), 0.1, accumulate=k, **options) for k in (3, 1))
    each = gradients(6)
    for i, values in enumerate(each):
        before = host(gathering.parameters[0].data).copy()
        backward(gathering, cell, values)
        assert (host(gathering.parameters[0].data) == before).all() == (i % 3 < 2)
    for three in (each[:3], each[3:]):
        backward(plain, cell, [np.mean(same, axis=0) for same in zip(*three, strict=True)])
    for a, b in zip(gathering.parameters, plain.parameters, strict=True):
        assert_close(a.data, host(b.data), 1e-13)
    assert gathering.state_dict()["step"] == plain.state_dict()["step"] == 2


def test_an_overflow_in_one_of_the_gathered_gradients_leaves_all_out(cell):
    adam = Adam(parameters(cell, "float32"), 0.1, loss_scale=2.0**8, clip_grad=1.0, accumulate=2)
    before = host(adam.parameters[0].data).copy()
    good, bad = gradients(2)
    bad[0][0, 0] = np.inf
    for values in (good, bad):
        backward(adam, cell, values, "float32")
    assert (host(adam.parameters[0].data) == before).all() and float(adam.norm) == 0
    assert adam.state_dict()["loss_scale"] == 2.0**7 and adam.state_dict()["step"] == 0


def test_misuse_is_refused(cell):
    for wrong in ({"clip_grad": 0.0}, {"clip_grad": float("nan")}, {"accumulate": 0}):
        with pytest.raises(ValueError, match="expected clip_grad > 0 or None and accumulate >= 1"):
            Adam(parameters(cell), **wrong)
    assert Adam(parameters(cell)).norm is None
