"""Gradient penalties, pictures in between, clipped weights and the norms' tangents, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from gpunet import backend
from gpunet.layers import Linear
from gpunet.optim import Adam

PRECISIONS = [("float64", 1e-12), ("float32", 100 * EPS32)]
SHAPES = [(1, 1), (2, 31), (3, 32), (5, 33), (7, 5, 7, 3), (2, 64, 64, 3), (40, 1, 2, 1)]
every_precision = pytest.mark.parametrize("dtype, tolerance", PRECISIONS)


@every_precision
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_penalties_equal_their_definitions(cell, shape, dtype, tolerance):
    g = np.random.default_rng(0).standard_normal(shape)
    norms = [np.linalg.norm(sample) for sample in g]
    value, v = backend.gradient_penalty(cell.array(g, dtype), 10.0)
    assert value.shape == () and v.dtype == value.dtype == dtype and backend.device_of(value) == cell.device
    assert_close(value, 5 * np.mean([norm**2 for norm in norms]), tolerance)
    assert_close(v, np.stack([10 * sample / len(g) for sample in g]), tolerance)
    value, v = backend.gradient_penalty(cell.array(g, dtype), 10.0, True)
    assert_close(value, 10 * np.mean([(norm - 1) ** 2 for norm in norms]), 10 * tolerance)
    expected = [20 * (norm - 1) / norm * sample / len(g) for norm, sample in zip(norms, g, strict=True)]
    assert_close(v, np.stack(expected), 10 * tolerance)


def test_a_gradient_of_zero_has_a_penalty_and_no_direction(cell):
    g = cell.array([[0.0, 0.0], [3.0, 4.0]])
    value, v = backend.gradient_penalty(g, 1.0, True)
    assert float(value) == pytest.approx((1 + 16) / 2) and host(v)[0].tolist() == [0, 0]
    assert_close(v[1], np.array([3, 4]) / 5 * 4, 1e-15)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_show_in_the_penalty(cell, bad):
    for to_one in (False, True):
        with np.errstate(all="ignore"):
            value, _ = backend.gradient_penalty(cell.array([[1.0, bad], [3.0, 4.0]]), 1.0, to_one)
        assert not np.isfinite(float(value))


@every_precision
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_between(cell, shape, dtype, tolerance):
    rng = np.random.default_rng(0)
    real, fake, mix = rng.standard_normal(shape), rng.standard_normal(shape), rng.random(shape[0])
    expected = np.stack([m * a + (1 - m) * b for a, b, m in zip(real, fake, mix, strict=True)])
    given = [cell.array(array, dtype) for array in (real, fake, mix)]
    assert_close(backend.between(*given), expected, tolerance)
    assert all((host(array) == kept.astype(dtype)).all() for array, kept in zip(given, (real, fake, mix), strict=True))


def test_between_refuses_other_shapes(cell):
    pictures, mix = cell.array(np.zeros((2, 3, 3, 1))), cell.array(np.zeros(2))
    for real, fake, by in ((pictures, pictures[:1], mix), (pictures, pictures, mix[:1])):
        with pytest.raises(ValueError, match="between: got pictures of shapes .* expected two of one shape and a mix"):
            backend.between(real, fake, by)


@pytest.mark.parametrize("size", [1, 1023, 1025])
def test_weights_are_clipped(cell, size):
    numbers = np.random.default_rng(0).standard_normal(size)
    array = cell.array(numbers, "float32")
    backend.clip_weights(array, 0.5)
    assert (host(array) == np.clip(numbers.astype("float32"), -0.5, 0.5)).all()
    nan = cell.array([np.nan, 2.0])
    backend.clip_weights(nan, 0.5)
    assert np.isnan(host(nan)[0]) and host(nan)[1] == 0.5


def test_adam_clips_all_parameters(cell):
    layer = Linear(3, 2).to(cell.device, "float64")
    adam = Adam(layer.parameters())
    layer.weight.data[...] = cell.array([[1.0, -1.0], [0.005, -0.005], [0.01, 0.0]])
    layer.bias.data[...] = cell.array([0.5, 0.002])
    adam.clip(0.01)
    assert host(layer.weight.data).tolist() == [[0.01, -0.01], [0.005, -0.005], [0.01, 0.0]]
    assert host(layer.bias.data).tolist() == [0.01, 0.002]


MAPS = [(2, 3, 3, 2), (3, 7, 5, 33), (1, 30, 20, 3)]


@pytest.mark.parametrize(
    "shape, per_channel", [*((shape, by) for shape in MAPS for by in (False, True)), ((2, 9), False)], ids=str
)
@pytest.mark.parametrize("affine", [True, False])
def test_tangents_of_norms_equal_differences(cell, shape, per_channel, affine):
    """dx and dscale are the slopes of s = sum of dty (J t) along random directions, by central differences."""
    rng = np.random.default_rng(0)
    x, t, dty, along = rng.standard_normal((4, *shape))
    scale, eps, axes = rng.random(shape[-1]) + 0.5, 1e-2, (1, 2) if per_channel else tuple(range(1, len(shape)))

    def s(x, scale):
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        rstd = 1 / np.sqrt(var + eps)
        x_hat = (x - mean) * rstd
        change = rstd * (t - t.mean(axes, keepdims=True) - x_hat * (t * x_hat).mean(axes, keepdims=True))
        return (dty * change * scale).sum()

    statistics = (x.mean(axes), 1 / np.sqrt(x.var(axes) + eps))
    mean, rstd = (array.reshape(len(x), -1) for array in statistics)
    given = [cell.array(array) for array in (dty, t, x, mean, rstd)]
    dx, dscale = backend.norm_tangent_backward(*given, cell.array(scale) if affine else None)
    used, h = scale if affine else np.ones_like(scale), 1e-5
    slope = (s(x + h * along, used) - s(x - h * along, used)) / 2 / h
    assert float((host(dx) * along).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-8)
    assert_close(dscale, [s(x, unit) for unit in np.eye(shape[-1])], 1e-10)
    assert_close(backend.scale_channels(given[2], cell.array(scale)), x * scale, 1e-15)
