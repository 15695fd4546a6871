"""Every layer of the table, in every cell: values, gradients, accumulation, purity and precision."""

import numpy as np
import pytest

from cases import EPS32, assert_close, build, every_case, host
from gpunet import backend, layers
from gpunet.gradcheck import LIMIT, check_layer
from gpunet.layers import BatchNorm, InstanceNorm, LayerNorm
from gpunet.loops import of_layers

NORMS = BatchNorm | LayerNorm | InstanceNorm
EXACT = 1e-12  # float64 against loops that add in another order: some hundred terms of 1e-16


def run(layer, x, dy):
    """Return y, dx and all parameter gradients of one pass, on the host, by name."""
    for parameter in layer.parameters():
        parameter.grad = None
    y = layer.forward(x)
    result = {"y": host(y).copy(), "dx": host(layer.backward(dy.copy()))}
    return result | {name: host(p.grad).copy() for name, p in layer.named_parameters()}


def build_with_dy(case, cell):
    """Return a row's layer with random parameters, its input x, and a random dy of the shape of layer(x)."""
    layer, x, rng = build(case, cell)
    shape = layer.eval().forward(x).shape
    layer.train()
    return layer, x, cell.array(rng.standard_normal(shape))


def strided(array, cell):
    """Return the same numbers as a view: channels and rows exchanged in memory, a NaN between neighbours."""
    *shape, last = array.swapaxes(1, -1).shape
    view = cell.array(np.full((*shape, 2 * last), np.nan))[..., ::2].swapaxes(1, -1)
    view[...] = array
    return view


@every_case
def test_forward_equals_plain_loops(case, cell):
    layer, x, _ = build(case, cell)
    y = layer.forward(x)
    assert y.dtype == x.dtype and y.flags.c_contiguous and backend.device_of(y) == cell.device
    assert_close(y, of_layers.forward(layer.to("cpu"), host(x)), EXACT, case.name)


@every_case
def test_gradients_equal_central_differences(case, cell):
    layer, x, rng = build(case, cell)
    errors = check_layer(layer, x, rng, directions=0 if cell.device == "cpu" else 2)
    assert set(errors) == {"dx"} | {name for name, _ in layer.named_parameters()}
    assert max(errors.values()) < LIMIT, errors


@every_case
def test_inputs_and_parameters_are_not_written(case, cell):
    layer, x, dy = build_with_dy(case, cell)
    arrays = [x] + [parameter.data for parameter in layer.parameters()]
    before = [host(array).copy() for array in arrays]
    y = layer.forward(x)
    y_before = host(y).copy()
    layer.backward(dy)
    for array, expected in zip([*arrays, y], [*before, y_before], strict=True):
        np.testing.assert_array_equal(host(array), expected)


@every_case
def test_strided_views_give_the_same_or_are_refused(case, cell):
    """The array code takes any view; a kernel, which sees bare memory, may say that it wants contiguous arrays."""
    layer, x, dy = build_with_dy(case, cell)
    expected = run(layer, x, dy)
    for parameter in layer.parameters():
        parameter.grad = None
    try:
        y = layer.forward(strided(x, cell))
        dx = layer.backward(strided(dy, cell))  # it may be written into, but the returned numbers must be right
    except ValueError as error:
        assert cell.implementation == "kernels" and "contiguous" in str(error)
        return
    actual = {"y": y, "dx": dx} | {name: parameter.grad for name, parameter in layer.named_parameters()}
    for name, value in expected.items():
        assert_close(actual[name], value, EXACT, name)


@every_case
def test_float32_agrees_with_float64(case, cell):
    """In float32 a result is off by some roundings of 6e-8: at most about a hundred terms are added up in the table."""
    layer, x, dy = build_with_dy(case, cell)
    expected = run(layer, x, dy)
    layer.to(dtype="float32")
    actual = run(layer, x.astype("float32"), dy.astype("float32"))
    for name, value in expected.items():
        assert actual[name].dtype == np.float32
        assert_close(actual[name], value, 100 * EPS32, name)


@every_case
def test_gradients_accumulate(case, cell):
    layer, x, dy = build_with_dy(case, cell)
    once = run(layer, x, dy)
    layer.forward(x)
    layer.backward(2 * dy)
    for name, parameter in layer.named_parameters():
        assert_close(parameter.grad, 3 * once[name], EXACT, name)


@every_case
def test_frozen_keeps_dx_and_skips_parameter_gradients(case, cell):
    layer, x, dy = build_with_dy(case, cell)
    expected = run(layer, x, dy)
    for parameter in layer.parameters():
        parameter.grad = None
    with layer.frozen():
        layer.forward(x)
        assert_close(layer.backward(dy), expected["dx"], 0.0, "dx")
    assert all(parameter.grad is None and parameter.trainable for parameter in layer.parameters())


@every_case
def test_without_input_grad_parameters_learn_the_same(case, cell):
    layer, x, dy = build_with_dy(case, cell)
    expected = run(layer, x, dy)
    for parameter in layer.parameters():
        parameter.grad = None
    layer.forward(x)
    dx = layer.backward(dy, input_grad=False)
    first = next(part for part in layer.walk() if not list(part.children()))
    assert dx is None or first.parameters() == [] or isinstance(first, NORMS)  # a convolution's dx is work saved
    for name, parameter in layer.named_parameters():
        assert_close(parameter.grad, expected[name], 0.0, name)


@every_case
def test_misuse_names_the_layer(case, cell):
    layer, x, dy = build_with_dy(case, cell)
    names = "|".join(type(part).__name__ for part in layer.walk() if not list(part.children()))
    with pytest.raises(RuntimeError, match=rf"({names})\(.*\): got backward without"):
        layer.backward(dy.copy())
    layer.forward(x)
    with pytest.raises(RuntimeError, match=rf"({names})\(.*\): got a second training forward before backward"):
        layer.forward(x)
    layer.forget()
    layer.forward(x)
    layer.backward(dy)
    layer.eval().forward(x)
    with pytest.raises(RuntimeError, match="forward"):
        layer.backward(dy)


def test_answers_name_every_layer():
    """Those on the paths of a block, too; the last is what forward returns, and an activation lies in its norm's."""
    inner = layers.Sequential(layers.Linear(3, 3), layers.ReLU())
    net = layers.Sequential(layers.Linear(2, 3), layers.BatchNorm(3), layers.ReLU(), layers.Residual(inner)).eval()
    x = np.random.default_rng(0).standard_normal((4, 2)).astype("float32")
    found = {name: y for name, _, y in net.answers(x)}
    assert list(found) == ["0", "1", "3.branch.0", "3.branch.1", "3"]
    np.testing.assert_array_equal(found["3"], net.forward(x))
    np.testing.assert_allclose(found["1"], np.maximum(found["0"] / np.sqrt(1 + 1e-5), 0), rtol=1e-6)
    np.testing.assert_allclose(found["3"], found["1"] + found["3.branch.1"])
