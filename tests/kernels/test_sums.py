"""Kernels that add over rows: column sums, batch norm, the loss; at sizes round the edges of the tree's levels."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from gpunet import backend
from gpunet.backend import to_device, to_numpy
from gpunet.backend.columns import add_bias
from gpunet.backend.launches import block_sums, empty
from gpunet.kernels.loader import cpu

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
SHAPES = [(1, 3), (2, 1), (15, 5), (16, 1), (17, 64), (255, 3), (256, 7), (257, 2), (4099, 1), (3, 5, 7, 33), (2, 1031)]
LARGE = [(40000, 3), (2048, 130), (9, 64, 64, 16)]  # further levels; slow where the device is a simulated one
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
devices = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def kernels_only():
    with backend.use("kernels"):
        yield


def draw(shape, dtype, seed=0, offset=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) + offset).astype(dtype)


def shapes(device):
    return SHAPES + (LARGE if device == "cpu" else [])


def close(got, expected, dtype, factor=20.0):
    """Fail unless |got - expected| <= factor eps max|expected|; NaN fails."""
    got, expected = to_numpy(got), np.asarray(expected)
    assert got.dtype == dtype and got.shape == expected.shape
    error = np.abs(got - expected).max() / max(np.abs(expected).max(), np.finfo(dtype).tiny) / np.finfo(dtype).eps
    assert error <= factor, f"{error:.1f} eps, allowed {factor}"


@devices
@dtypes
@pytest.mark.parametrize("blocks", [False, True])
def test_column_sum_and_bias(device, dtype, blocks, monkeypatch):
    add_by_blocks(monkeypatch, blocks)
    for shape in shapes(device):
        x, bias = draw(shape, dtype, offset=1), draw(shape[-1], dtype, 1)
        expected = x.astype("longdouble").reshape(-1, shape[-1]).sum(0)
        close(backend.column_sum(to_device(x, device)), expected, dtype)
        y = add_bias(to_device(x.copy(), device), to_device(bias, device))
        assert np.array_equal(to_numpy(y), x + bias)


@devices
def test_column_sum_of_no_rows_is_zero(device):
    assert np.array_equal(to_numpy(backend.column_sum(to_device(np.ones((0, 3), "float32"), device))), [0, 0, 0])


def add_by_blocks(monkeypatch, blocks):
    """Let sums run in one launch of whole blocks, as on a GPU, or level by level, as on a CPU."""
    for page in ("batchnorm", "columns"):
        monkeypatch.setattr(importlib.import_module(f"gpunet.backend.{page}"), "at_once", lambda array: blocks)


def batchnorm_defined(x, dy, scale, shift, slope):
    """Return (mean, var, rstd, y), (dx, dscale, dshift) by the definition, in more digits and in the obvious order."""
    (x, dy), rows = (a.astype("longdouble") for a in (x, dy)), tuple(range(x.ndim - 1))
    mean, var = x.mean(rows), x.var(rows)
    rstd = 1 / np.sqrt(var + 1e-5)
    x_hat = (x - mean) * rstd
    z = x_hat * scale + shift
    dz = np.where(np.abs(z) < 1e-5, np.nan, np.where(z > 0, dy, slope * dy))  # NaN: undecided in float32
    dx = scale * rstd * (dz - dz.mean(rows) - x_hat * (dz * x_hat).mean(rows))
    return (mean, var, rstd, np.where(z > 0, z, slope * z)), (dx, (dz * x_hat).sum(rows), dz.sum(rows))


@devices
@dtypes
@pytest.mark.parametrize("slope, affine", [(1.0, True), (0.2, True), (0.0, False)])
@pytest.mark.parametrize("blocks", [False, True])
def test_batchnorm(device, dtype, slope, affine, blocks, monkeypatch):
    add_by_blocks(monkeypatch, blocks)
    for shape in shapes(device):
        channels, rows = shape[-1], int(np.prod(shape[:-1]))
        if rows < 15:  # so few rows nearly cancel in dx; test_layers.py has them, in float64
            continue
        x, dy = draw(shape, dtype, offset=3), draw(shape, dtype, 1)
        scale, shift = (draw(channels, dtype, 2), draw(channels, dtype, 3)) if affine else (None, None)
        moved = [None if a is None else to_device(a, device) for a in (x, scale, shift)]
        y, mean, var, rstd = backend.batchnorm(*moved, 1e-5, slope)
        dx, dscale, dshift = backend.batchnorm_backward(
            to_device(dy.copy(), device), moved[0], mean, rstd, *moved[1:], slope
        )
        forward, backward = batchnorm_defined(x, dy, scale if affine else 1.0, shift if affine else 0.0, slope)
        for got, expected in zip((mean, var, rstd, y), forward, strict=True):
            close(got, expected, dtype)
        sure = ~np.isnan(backward[2])  # channels
        for got, expected, factor in zip((dx, dscale, dshift), backward, (50, 100, 100), strict=True):
            close(np.ascontiguousarray(to_numpy(got)[..., sure]), expected[..., sure], dtype, factor)


@devices
def test_batchnorm_keeps_the_variance_of_numbers_far_from_zero(device):
    x = draw((5000, 3), "float32", offset=1000)
    var = to_numpy(backend.batchnorm(to_device(x, device), None, None, 1e-5)[2])
    exact = x.astype("longdouble").var(0)
    assert (np.abs(var - exact) <= 1e-5 * exact).all()  # E[x^2] - mean^2 would be wrong in the first digit


@devices
@dtypes
def test_running_averages_and_inference(device, dtype):
    x, mean, var = draw((6, 5), dtype, offset=2), draw(5, dtype), np.abs(draw(5, dtype, 1))
    running = to_device(mean.copy(), device), to_device(var.copy(), device), 0.25
    backend.batchnorm(to_device(x, device), None, None, 1e-5, 1.0, running)
    close(running[0], 0.75 * mean.astype("longdouble") + 0.25 * x.astype("longdouble").mean(0), dtype)
    close(running[1], 0.75 * var.astype("longdouble") + 0.25 * x.astype("longdouble").var(0, ddof=1), dtype)
    y = backend.batchnorm_inference(*(to_device(a, device) for a in (x, mean, var)), None, None, 1e-5, 0.5)
    z = (x.astype("longdouble") - mean) / np.sqrt(var.astype("longdouble") + 1e-5)
    close(y, np.where(z > 0, z, z / 2), dtype)


@devices
@dtypes
def test_loss(device, dtype):
    for size in [1, 2, 31, 32, 33, 511, 512, 513, 1100] + ([40000] if device == "cpu" else []):
        x, target = 5 * draw(size, dtype), np.random.default_rng(1).random(size).astype(dtype)
        x[0] = -200.0  # exp(200) is infinite in float32
        for t in (0.0, 1.0, 0.9, target):
            given = t if isinstance(t, float) else to_device(t, device)
            loss, dlogits = backend.bce_with_logits(to_device(x, device), given)
            x64, t64 = x.astype("longdouble"), np.asarray(t, "longdouble")
            close(loss, np.asarray((np.logaddexp(0, x64) - x64 * t64).mean()), dtype)
            close(dlogits, (1 / (1 + np.exp(-x64)) - t64) / size, dtype)


@devices
def test_a_nan_reaches_every_result_it_should(device):
    x = draw((300, 4), "float32")
    x[250, 2] = np.nan
    expected = [False, False, True, False]
    assert np.isnan(to_numpy(backend.column_sum(to_device(x, device)))).tolist() == expected
    for result in backend.batchnorm(to_device(x, device), None, None, 1e-5, 0.2):
        assert np.isnan(to_numpy(result)).reshape(-1, 4).all(0).tolist() == expected
    loss, dlogits = backend.bce_with_logits(to_device(x, device), 1.0)
    assert np.isnan(to_numpy(loss)) and np.isnan(to_numpy(dlogits)).sum() == 1


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    x, dy = draw((9000, 6), "float32"), draw((9000, 6), "float32", 1)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(cpu, "workers", lambda threads=threads: threads)
        y, mean, var, rstd = backend.batchnorm(x, None, None, 1e-5, 0.2)
        results.append([y, mean, var, rstd, *backend.batchnorm_backward(dy.copy(), x, mean, rstd, None, None, 0.2)])
        results[-1] += [backend.column_sum(x), *backend.bce_with_logits(x, 1.0)]
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


def sums_of(x, dy):
    """Return every result of batch norm, of two batches, and the column sums."""
    y, mean, var, rstd = backend.batchnorm(x, None, None, 1e-5, 0.2, None, 2)
    dx, dscale, dshift = backend.batchnorm_backward(dy.copy(), x, mean, rstd, None, None, 0.2)
    return [to_numpy(a) for a in (y, mean, var, rstd, dx, dscale, dshift, backend.column_sum(x))]


def test_the_order_in_which_blocks_arrive_changes_no_bit(monkeypatch):
    """With several workers another block is the last in every run."""
    add_by_blocks(monkeypatch, True)
    for shape in [(4096, 36), (3000, 3), (1500, 64)]:
        x, dy, results = draw(shape, "float32"), draw(shape, "float32", 1), []
        for turn in range(50):
            monkeypatch.setattr(cpu, "workers", lambda threads=1 + 3 * (turn > 0): threads)
            results.append(sums_of(x, dy))
        assert all(np.array_equal(a, b) for later in results[1:] for a, b in zip(results[0], later, strict=True))


@devices
def test_sums_of_arrays_that_are_not_aligned(device, monkeypatch):
    """Their rows do not begin at a multiple of 16 bytes, so numbers are loaded one by one."""
    add_by_blocks(monkeypatch, True)
    for shape in [(70, 64), (300, 8), (66, 132)]:
        x, dy = (to_device(draw(shape, "float32", seed), device) for seed in (0, 1))
        moved = to_device(np.zeros((2, x.size + 1), "float32"), device).reshape(-1)
        apart = moved[1 : x.size + 1].reshape(shape), moved[x.size + 2 :].reshape(shape)
        apart[0][...], apart[1][...] = x, dy
        assert block_sums([x], *shape).block != block_sums([apart[0]], *shape).block
        for a, b in zip(sums_of(x, dy), sums_of(*apart), strict=True):
            close(a, b, "float32", 50)


@pytest.mark.parametrize(
    "rows, width, batches, grid, rows_per_block",
    [
        (16384, 128, 2, (32, 4, 2), 512),  # the example of block_sums
        (65536, 64, 1, (128, 2, 1), 512),
        (1024, 512, 1, (8, 16, 1), 128),  # four rows of a lane at least
        (10, 32, 1, (1, 1, 1), 128),
        (100, 16384, 1, (1, 512, 1), 128),  # more columns than blocks
    ],
)
def test_blocks_that_sum_fill_a_gpu_but_leave_few_parts(rows, width, batches, grid, rows_per_block):
    x = empty(np.zeros(0, "float32"), 4096)
    assert block_sums([x], rows, width, batches) == (grid, (8, 32), rows_per_block)
    assert block_sums([x], rows, width + 1, batches).block == (32, 8)  # rows of an odd length are not aligned
