"""A large matrix product cut into a stack: every way of cutting equals NumPy's product in float64."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_close
from gpunet.backend.flat_product import product

SHAPES = [  # M, K, N
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


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("turned", ["neither", "a", "b"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
def test_equals_numpy(shape, turned, dtype, tolerance, monkeypatch):
    (m, k, n), rng = shape, np.random.default_rng(0)
    a = rng.standard_normal((k, m)).T if turned == "a" else rng.standard_normal((m, k))
    b = rng.standard_normal((n, k)).T if turned == "b" else rng.standard_normal((k, n))
    expected, a, b = a @ b, a.astype(dtype, order="K"), b.astype(dtype, order="K")
    results = []
    for threads in (1, 3):
        monkeypatch.setattr("gpunet.kernels.products.workers", lambda threads=threads: threads)
        results.append(product(a, b))
    assert results[0].dtype == dtype and (results[0] == results[1]).all()
    assert_close(results[0], expected, tolerance)


@pytest.mark.parametrize("step", [1, 2])
def test_the_result_goes_where_it_is_wanted(step):
    """Also into an array with gaps."""
    a, b, out = np.ones((64, 20)), np.full((20, 32), 2.0), np.zeros((64, 32 * step))[:, ::step]
    assert product(a, b, out) is out
    assert (out == 40).all()
