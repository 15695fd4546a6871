"""Every matrix product of the CPU against NumPy's: stacks by products.cpp, and large products however they are cut."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from cases import assert_close
from gpunet.backend.matmul import launch_products, matmul
from gpunet.kernels.loader import machine

page = importlib.import_module("gpunet.backend.matmul")  # the page, not the function of its name
SHAPES = [  # planes, M, K, N
    (1, 1, 1, 1),
    (3, 5, 7, 9),
    (2, 13, 300, 70),  # several depths; columns beyond a tile
    (2, 6, 128, 64),  # exactly one tile and one depth
    (1, 301, 17, 200),  # several tasks in one plane
    (4, 12, 32, 1),
    (4, 1, 130, 66),
    (2, 7, 1, 5),
]
VIEWS = {"as they are": (False, False), "a transposed": (True, False), "b transposed": (False, True)}


def stack(rng, transposed, *shape):
    """Random planes of this shape, whole numbers (so that sums are exact), with a gap between them."""
    p, rows, columns = (shape[0], shape[2], shape[1]) if transposed else shape
    array = rng.integers(-3, 4, (p, rows * columns + 5)).astype("float32")[:, : rows * columns]
    array = np.lib.stride_tricks.as_strided(
        array, (p, rows, columns), (array.strides[0], columns * array.itemsize, array.itemsize)
    )
    return array.transpose(0, 2, 1) if transposed else array


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stacks_equal_numpy(shape, view, dtype, monkeypatch):
    (count, m, k, n), (a_turned, b_turned) = shape, VIEWS[view]
    rng, results = np.random.default_rng(0), []
    a, b = stack(rng, a_turned, count, m, k), stack(rng, b_turned, count, k, n)
    if dtype == "float64":
        a, b = a.astype(dtype, order="K"), b.astype(dtype, order="K")
    for threads in (1, 3):
        monkeypatch.setattr(page, "workers", lambda threads=threads: threads)
        out = np.full((count, m, n), np.nan, dtype)
        launch_products(a, b, out)
        results.append(out)
    np.testing.assert_array_equal(results[0], a @ b)
    np.testing.assert_array_equal(results[0], results[1])


def test_rounding_does_not_depend_on_threads(monkeypatch):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((3, 50, 400)), rng.standard_normal((3, 400, 150))
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(page, "workers", lambda threads=threads: threads)
        results.append(np.empty((3, 50, 150)))
        launch_products(a, b, results[-1])
    assert all(np.array_equal(result, results[0]) for result in results)
    assert_close(results[0], a @ b, 1e-12)
    assert machine.workers() >= 1


def test_nothing_to_add_up_is_zero():
    out = np.ones((2, 3, 4))
    launch_products(np.empty((2, 3, 0)), np.empty((2, 0, 4)), out)
    assert not out.any()


def test_nan_and_infinity_arrive():
    a, out = np.ones((1, 2, 130), "float32"), np.empty((1, 2, 3), "float32")
    a[0, 1, 129] = np.nan
    launch_products(a, np.full((1, 130, 3), np.inf, "float32"), out)
    assert np.isinf(out[0, 0]).all() and np.isnan(out[0, 1]).all()


@pytest.mark.parametrize(
    "a, b, out, message",
    [
        (np.ones((2, 3, 4)), np.ones((2, 5, 6)), np.ones((2, 3, 6)), "no product"),
        (np.ones((2, 3, 4)), np.ones((2, 4, 6), "float32"), np.ones((2, 3, 6)), "no product"),
        (np.ones((2, 3, 4)), np.ones((2, 4, 6)), np.ones((2, 6, 3)).transpose(0, 2, 1), "C-contiguous planes"),
        (np.ones((2, 3, 8))[:, :, ::2], np.ones((2, 4, 6)), np.ones((2, 3, 6)), "side by side"),
    ],
)
def test_what_it_cannot_take_is_refused(a, b, out, message):
    with pytest.raises(ValueError, match=message):
        launch_products(a, b, out)


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["rows", "depth", "columns"])
@pytest.mark.parametrize("view", VIEWS)
def test_spans_restrict_a_product(axis, view):
    """Numbers outside the spans are neither read (they are NaN) nor written."""
    (m, k, n), (a_turned, b_turned) = (20, 300, 140), VIEWS[view]
    rng, size = np.random.default_rng(2), (m, k, n)[axis]
    spans = [slice(0, size), slice(0, size // 2), slice(size // 4, size // 4 * 3), slice(size // 2, size // 2)]
    a, b = stack(rng, a_turned, len(spans), m, k), stack(rng, b_turned, len(spans), k, n)
    out, expected = np.full((len(spans), m, n), np.nan, "float32"), np.full((len(spans), m, n), np.nan, "float32")
    for p, span in enumerate(spans):
        rows, depth, columns = (span if i == axis else slice(None) for i in range(3))
        expected[p][rows, columns] = a[p][rows, depth] @ b[p][depth, columns]
        for factor, own in ((a[p], 0), (b[p].T, 2)):
            outside = np.delete(np.arange(size), np.arange(size)[span])
            if axis == own:
                factor[outside] = np.nan
            if axis == 1:
                factor[:, outside] = np.nan
    launch_products(a, b, out, spans, axis)
    np.testing.assert_array_equal(out, expected)


LARGE = [  # M, K, N
    (24, 300, 700),  # many columns
    (960, 24, 40),  # many rows: 16 planes of 60
    (32, 1234, 48),  # long sums: 2 planes of 617
    (30, 1009, 33),  # a prime: one plane
    (19, 40, 17),
    (200, 1, 300),  # an outer product
    (5, 400, 300),  # few rows: BLAS's
    (300, 400, 1),
    (0, 20, 30),
    (20, 0, 30),
]


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("turned", ["neither", "a", "b"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_large_products_equal_numpy(shape, turned, dtype, tolerance, monkeypatch):
    (m, k, n), rng = shape, np.random.default_rng(0)
    a = rng.standard_normal((k, m)).T if turned == "a" else rng.standard_normal((m, k))
    b = rng.standard_normal((n, k)).T if turned == "b" else rng.standard_normal((k, n))
    expected, a, b = a @ b, a.astype(dtype, order="K"), b.astype(dtype, order="K")
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(page, "workers", lambda threads=threads: threads)
        results.append(matmul.kernels(a, b))
    assert results[0].dtype == dtype and (results[0] == results[1]).all()
    assert_close(results[0], expected, tolerance)


@pytest.mark.parametrize("step", [1, 2])
def test_the_result_goes_where_it_is_wanted(step):
    """Also into an array with gaps."""
    a, b, out = np.ones((64, 20)), np.full((20, 32), 2.0), np.zeros((64, 32 * step))[:, ::step]
    assert matmul.kernels(a, b, out) is out
    assert (out == 40).all()
