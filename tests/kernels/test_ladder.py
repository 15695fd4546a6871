"""Every step of the teaching ladders equals NumPy in float64, on the CPU and on a GPU, at any size."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import ladder as bench
from gpunet import backend, kernels
from gpunet.kernels import ladder
from gpunet.kernels.loader.source import path_of

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
SUM_SHAPES = [(1, 1), (1, 70), (7, 3), (257, 33), (1025, 40)]  # (M, C); ROWS is 256, so the last needs three levels
PRODUCTS = [(step, dtype) for step in ladder.MATMUL for dtype in ("float32", "float64")]
PRODUCTS.remove(("tensor_cores", "float64"))  # refused: see below
PRODUCT_SHAPES = [(1, 1, 1), (5, 7, 3), (64, 64, 16), (33, 65, 40), (130, 129, 67)]  # (M, N, K)


def drawn(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def guarded(entry, grid, block, args, **more):
    """Launch with NaNs around the inputs and sevens around the output: an access beyond an array spoils either."""
    if not isinstance(args[0], np.ndarray):
        return kernels.launch(entry, grid, block, args, **more)
    y, *inputs = (np.pad(a.ravel(), 64, constant_values=np.nan) for a in args if isinstance(a, np.ndarray))
    y[:64] = y[-64:] = 7
    inner = [w[64:-64].reshape(a.shape) for w, a in zip([y, *inputs], args, strict=False)]
    kernels.launch(entry, grid, block, [*inner, *args[len(inner) :]], **more)
    assert (y[:64] == 7).all() and (y[-64:] == 7).all(), f"{entry} wrote beyond its output"
    args[0][...] = inner[0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SUM_SHAPES, ids=str)
@pytest.mark.parametrize("step", ladder.CHANNEL_SUM)
def test_channel_sum(step, shape, dtype, device):
    x = drawn(*shape, dtype=dtype)
    y = backend.to_numpy(ladder.channel_sum(step, backend.to_device(x, device), guarded))
    # A sum of M terms in any order is within (M - 1) eps of the sum of their magnitudes.
    bound = shape[0] * np.finfo(dtype).eps * np.abs(x.astype("float64")).sum(axis=0)
    assert y.dtype == dtype and y.shape == (shape[1],)
    assert (np.abs(y - x.astype("float64").sum(axis=0)) <= bound).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", PRODUCT_SHAPES, ids=str)
@pytest.mark.parametrize(("step", "dtype"), PRODUCTS)
def test_matmul(step, dtype, shape, device):
    M, N, K = shape
    a, b = drawn(M, K, dtype=dtype), drawn(K, N, dtype=dtype)
    c = backend.to_numpy(ladder.matmul(step, backend.to_device(a, device), backend.to_device(b, device), guarded))
    # tf32 keeps 10 bits after the point: rounding both factors changes a product by at most 2 * 2^-11 and a little.
    eps = K * np.finfo(dtype).eps + (2.01 * 2.0**-11 if step == "tensor_cores" else 0)
    assert c.dtype == dtype and c.shape == (M, N)
    assert (np.abs(c - a.astype("float64") @ b) <= eps * (np.abs(a).astype("float64") @ np.abs(b))).all()


@pytest.mark.parametrize("step", ladder.MATMUL)
def test_matmul_of_unaligned_rows(step):
    """Arrays that begin at an odd address take the narrow loads even where the row length would allow wide ones."""
    flat = drawn(1 + 64 * 64)
    a, b = flat[1:].reshape(64, 64), drawn(64, 64)
    np.testing.assert_allclose(ladder.matmul(step, a, b), a @ b, atol=0.05)


@pytest.mark.parametrize("step", ladder.CHANNEL_SUM[1:])
def test_sums_without_atomics_repeat_bit_for_bit(step):
    x = drawn(3000, 37)
    assert np.array_equal(ladder.channel_sum(step, x), ladder.channel_sum(step, x))


def test_nan_and_infinity_reach_the_result():
    x = drawn(40, 3)
    x[11, 1] = np.nan
    for step in ladder.CHANNEL_SUM:
        assert np.isnan(ladder.channel_sum(step, x)).tolist() == [False, True, False], step
    for step in ladder.MATMUL:
        assert np.isnan(ladder.matmul(step, x, drawn(3, 5))).all(axis=1).nonzero()[0].tolist() == [11], step


@pytest.mark.parametrize("call", [lambda x: ladder.channel_sum("fastest", x), lambda x: ladder.matmul("naive", x, x)])
def test_mistakes_are_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call(drawn(4, 3))


def test_tensor_cores_refuse_float64():
    with pytest.raises(TypeError, match="expected float32"):
        ladder.matmul("tensor_cores", drawn(4, 4, dtype="float64"), drawn(4, 4, dtype="float64"))


@pytest.mark.parametrize("name", bench.STEPS)
def test_each_header_names_its_step_and_the_defect_it_removes(name):
    for number, step in enumerate(bench.STEPS[name], 1):
        header = path_of(ladder.stem(name, step)).read_text().partition("\n\n")[0]
        assert f"Step {number} of {len(bench.STEPS[name])}" in header
        assert "Thread -> element" in header and "In the counters" in header
        assert number == 1 or re.search(r"Defects? removed", header), step
