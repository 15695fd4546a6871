"""Backward in evaluation mode: within `saving` a network that draws samples has gradients, in every cell."""

import numpy as np
import pytest

from cases import assert_close, build, every_case, host
from gpunet import loops
from gpunet.gradcheck import LIMIT, check_layer
from gpunet.layers import BatchNorm, Conv2d, Linear, ReLU, Sequential


def with_averages(layer, rng):
    """Put random running averages into every batch norm of a layer, in evaluation mode; return the layer."""
    for part in layer.walk():
        if isinstance(part, BatchNorm):
            part.buffers["running_mean"][...] = part.buffers["running_mean"] + 0.3 * float(rng.standard_normal())
            part.buffers["running_var"][...] = 0.5 + float(rng.random())
    return layer.eval()


@every_case
def test_gradients_equal_central_differences(case, cell):
    layer, x, rng = build(case, cell)
    with with_averages(layer, rng).saving():
        errors = check_layer(layer, x, rng, directions=2)
    assert max(errors.values()) < LIMIT, errors
    assert all(part._saved is None and not part.saves for part in layer.walk())


@pytest.mark.parametrize("slope", [1.0, 0.2, 0.0])
def test_batch_norm_is_a_fixed_factor_for_each_channel(cell, slope):
    """dx = dy (1 or slope) scale / sqrt(var + eps), dshift and dscale are sums: each written out for every number."""
    rng = np.random.default_rng(0)
    layer = BatchNorm(3, eps=0.01)
    layer.slope = slope
    x, dy, scale, shift, mean, var = *rng.standard_normal((2, 5, 2, 3)), *rng.standard_normal((3, 3)), rng.random(3)
    layer.scale.data, layer.shift.data = scale, shift
    layer.buffers |= {"running_mean": mean, "running_var": var}
    z = loops.batchnorm_inference(x, mean, var, scale, shift, 0.01)
    dz = np.where(z > 0, dy, slope * dy)
    layer.to(cell.device, "float64").eval()
    with layer.saving():
        layer.forward(cell.array(x))
        dx = layer.backward(cell.array(dy))
    x_hat = (x - mean) / np.sqrt(var + 0.01)
    assert_close(dx, dz * scale / np.sqrt(var + 0.01), 1e-12, "dx")
    assert_close(layer.shift.grad, dz.sum((0, 1)), 1e-12, "dshift")
    assert_close(layer.scale.grad, (dz * x_hat).sum((0, 1)), 1e-12, "dscale")
    assert_close(layer.buffers["running_var"], var, 0.0, "the averages stay")


def test_one_sample_is_enough_and_depends_on_no_other(cell):
    rng = np.random.default_rng(0)
    net = with_averages(Sequential(Conv2d(2, 3, 3, padding=1), BatchNorm(3), ReLU()).to(cell.device, "float64"), rng)
    x, dy = cell.array(rng.standard_normal((3, 4, 4, 2))), cell.array(rng.standard_normal((3, 4, 4, 3)))
    with net.saving(), net.frozen():
        net.forward(x)
        together = host(net.backward(dy.copy()))
        for i in range(3):
            net.forward(x[i : i + 1])
            assert_close(net.backward(dy[i : i + 1].copy()), together[i : i + 1], 1e-12)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_was_saved_ends_with_the_block(cell):
    net = Sequential(Linear(2, 2)).to(cell.device, "float64").eval()
    x = cell.array(np.eye(2))
    with net.saving():
        net.forward(x)
        with pytest.raises(RuntimeError, match="second"):
            net.forward(x)
    with pytest.raises(RuntimeError, match="got backward without"):
        net.backward(x)
    net.forward(x)
    assert net.layers[0]._saved is None
