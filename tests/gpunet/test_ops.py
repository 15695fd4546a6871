"""The operations by themselves: the convolutions' adjoint identity, the edges of floating point, sums, images."""

import math

import numpy as np
import pytest

from cases import EPS32, IMPLEMENTATIONS, assert_close, host
from gpunet import backend, loops
from gpunet.layers.geometry import conv_pads

SHAPES = [  # hw, kernel, stride, padding
    ((6, 6), (4, 4), (2, 2), (1, 1)),
    ((7, 5), (5, 5), (2, 2), "same"),
    ((8, 7), (2, 3), (3, 3), "valid"),
    ((5, 6), (3, 2), (1, 2), (2, 0)),
    ((4, 4), (4, 4), (1, 1), (0, 0)),
]


@pytest.mark.parametrize("hw, kernel, stride, padding", SHAPES)
def test_convolutions_are_adjoint(cell, hw, kernel, stride, padding):
    """<conv(x), y> = <x, input_grad(y)> = <weight, weight_grad(x, y)>: the three functions are one bilinear form."""
    rng = np.random.default_rng(0)
    pads = conv_pads(hw, kernel, stride, padding)
    x, weight = cell.array(rng.standard_normal((2, *hw, 3))), cell.array(rng.standard_normal((*kernel, 3, 4)))
    sizes = backend.conv_sizes(x.shape[:3], weight.shape, stride, pads)
    conv = backend.conv2d(x, weight, sizes)
    y = cell.array(rng.standard_normal(conv.shape))
    form = float((conv * y).sum())
    assert abs(form) > 1
    assert float((x * backend.conv2d_input_grad(y, weight, sizes)).sum()) == pytest.approx(form, rel=1e-12)
    dweight = backend.conv2d_weight_grad(x, y, sizes)
    assert float((weight * dweight).sum()) == pytest.approx(form, rel=1e-12)


@pytest.mark.parametrize("op, args", [("relu", ()), ("leaky_relu", (0.2,)), ("tanh", ()), ("sigmoid", ())])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_at_the_edges(cell, op, args, dtype):
    """Infinities, zeros, tiny and huge numbers give the formula's limit, without a warning; a NaN stays a NaN."""
    x = [-math.inf, -1e30, -100.0, -1e-30, -0.0, 0.0, 1e-30, 100.0, 1e30, math.inf, math.nan]
    limits = {
        "relu": [0, 0, 0, 0, 0, 0, 1e-30, 100, 1e30, math.inf, math.nan],
        "leaky_relu": [-math.inf, -2e29, -20, -2e-31, 0, 0, 1e-30, 100, 1e30, math.inf, math.nan],
        "tanh": [-1, -1, -1, -1e-30, 0, 0, 1e-30, 1, 1, 1, math.nan],
        "sigmoid": [0, 0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1, math.nan],
    }
    y = getattr(backend, op)(cell.array(x, dtype), *args)
    np.testing.assert_allclose(host(y), limits[op], rtol=1e-6, atol=1e-40)


def test_relu_derivative_at_zero(cell):
    """Where no derivative exists, the left one is taken, as in PyTorch."""
    zero, one = cell.array([0.0, -0.0]), cell.array([1.0, 1.0])
    assert host(backend.relu_backward(one.copy(), backend.relu(zero))).tolist() == [0, 0]
    assert host(backend.leaky_relu_backward(one.copy(), backend.leaky_relu(zero, 0.2), 0.2)).tolist() == [0.2, 0.2]


@pytest.mark.parametrize("slope", [1.0, 0.2, 0.0])
def test_batchnorm_inference_equals_its_definition(cell, slope):
    rng = np.random.default_rng(0)
    x, mean, scale, shift = rng.standard_normal((3, 2, 2, 4)), *rng.standard_normal((3, 4))
    var = rng.random(4)
    arrays = [cell.array(a) for a in (x, mean, var, scale, shift)]
    z = loops.batchnorm_inference(x, mean, var, scale, shift, 1e-3)
    y = backend.batchnorm_inference(*arrays, 1e-3, slope)
    assert_close(y, loops.elementwise(lambda v: v if v > 0 else slope * v, z), 1e-12)
    assert_close(backend.batchnorm_inference(*arrays[:3], None, None, 1e-3), (x - mean) / np.sqrt(var + 1e-3), 1e-12)


def test_batchnorm_statistics_do_not_cancel(cell):
    """Mean 1000, deviation 1, float32: E[x^2] - mean^2 would lose the variance altogether; deviations keep it."""
    x = (1000 + np.random.default_rng(0).standard_normal((500, 3))).astype("float32")
    _, mean, var, rstd = backend.batchnorm(cell.array(x, "float32"), None, None, 1e-5)
    expected_mean, expected_var = loops.channel_statistics(x)
    assert_close(mean, np.array(expected_mean), 4 * EPS32, "mean")
    assert_close(var, np.array(expected_var), 1e-3, "var")  # the mean's own rounding, 1e-4, enters squared and linearly
    assert_close(rstd, 1 / np.sqrt(np.array(expected_var) + 1e-5), 1e-3, "rstd")


@pytest.mark.parametrize("rows", [1, 7, 16, 65, 300])
def test_column_sum_of_any_height(cell, rows):
    values = np.random.default_rng(rows).integers(-9, 9, (rows, 5))  # whole numbers: every order of summation is exact
    assert host(backend.column_sum(cell.array(values, "float32"))).tolist() == values.sum(axis=0).tolist()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_column_sum_over_many_blocks(implementation):
    """More numbers than one cache block: the partial sums of all blocks arrive."""
    with backend.use(implementation):
        values = np.random.default_rng(0).integers(-9, 9, (70_000, 7)).astype("float64")
        assert backend.column_sum(values).tolist() == values.sum(axis=0).tolist()


def test_images_to_real_and_back(cell):
    every_byte = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    x = backend.images_to_real(cell.array(every_byte, "uint8"))
    assert x.dtype == np.float32
    assert_close(x, every_byte / 127.5 - 1, 2 * EPS32)
    assert host(backend.real_to_images(x)).tolist() == every_byte.tolist()


def test_images_are_mirrored_where_asked(cell):
    images = np.arange(2 * 2 * 3, dtype="uint8").reshape(2, 2, 3, 1)
    x = backend.images_to_real(cell.array(images, "uint8"), flip=cell.array([False, True], "bool"))
    mirrored = np.stack([images[0], images[1][:, ::-1]])
    assert host(backend.real_to_images(x)).tolist() == mirrored.tolist()


def test_real_to_images_clips_and_rounds(cell):
    """(x + 1) * 127.5 to the nearest byte; 0, the one exact half in range, goes to the even 128."""
    levels = [-100, -0.4, 0.4, 0.6, 1.4, 1.6, 127.5, 254.4, 254.6, 300]
    images = backend.real_to_images(cell.array([level / 127.5 - 1 for level in levels]).reshape(1, 2, 5, 1))
    assert images.dtype == np.uint8
    assert host(images).ravel().tolist() == [0, 0, 0, 1, 1, 2, 128, 254, 255, 255]
