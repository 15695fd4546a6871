"""Every step of the teaching ladders equals NumPy in float64, on the CPU and on a GPU, at any size."""

from __future__ import annotations

import functools
import itertools
import re

import numpy as np
import pytest

from benchmarks import ladder as bench
from gpunet import backend, kernels, loops
from gpunet.kernels import ladder
from gpunet.kernels.loader.source import path_of
from guard_pages import assert_survives, between_pages

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
SUM_SHAPES = [(1, 1), (1, 70), (7, 3), (257, 33), (1025, 40)]  # (M, C); ROWS is 256, so the last needs three levels
PRODUCTS = [(step, dtype) for step in ladder.MATMUL for dtype in ("float32", "float64")]
ROUNDED = ("tensor_cores", *ladder.HALF)
PRODUCTS = [pair for pair in PRODUCTS if pair not in itertools.product(ROUNDED, ["float64"])]  # refused: see below
PRODUCT_SHAPES = [(1, 1, 1), (5, 7, 3), (64, 64, 16), (33, 65, 40), (130, 129, 67)]  # (M, N, K)
CONVOLUTIONS = [  # x (N, H, W, C), weight (KH, KW, C, F), stride, padding
    ((2, 8, 8, 16), (4, 4, 16, 24), 2, 1),  # the patches of corners begin outside
    ((1, 5, 7, 3), (3, 2, 3, 5), 1, 0),  # channels filled up to 8
    ((3, 4, 4, 40), (3, 3, 40, 8), 1, 1),  # two stages of channels for each tap, the second with 8 of them
    ((1, 2, 3, 8), (5, 5, 8, 8), 1, 3),  # an image smaller than its kernel: most taps are outside
    ((1, 17, 16, 8), (16, 16, 8, 8), 1, 0),  # a mask of 16 bits for rows and columns, all of them set
    ((2, 9, 8, 8), (1, 1, 8, 136), 3, 0),  # strides that leave pixels out; two tiles of columns
    ((3, 7, 7, 8), (2, 2, 8, 8), 1, 1),  # 192 pixels: two tiles of rows, three images
]


def drawn(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def guarded(entry, grid, block, args, **more):
    """Launch with NaNs around the inputs and sevens around the output: an access beyond an array spoils either."""
    if not isinstance(args[0], np.ndarray):
        return kernels.launch(entry, grid, block, args, **more)
    y, *inputs = (
        np.pad(a.ravel(), 64, constant_values=np.nan if a.dtype.kind == "f" else 9)
        for a in args
        if isinstance(a, np.ndarray)
    )
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
    # tf32 and half keep 10 bits after the point: rounding both changes a product by at most 2 * 2^-11 and a little.
    # The last step rounds its result, too.
    eps = K * np.finfo(dtype).eps + ((2.01 + (step == "epilogue")) * 2.0**-11 if step in ROUNDED else 0)
    assert c.dtype == ("float16" if step == "epilogue" else dtype) and c.shape == (M, N)
    assert (np.abs(c - a.astype("float64") @ b) <= eps * (np.abs(a).astype("float64") @ np.abs(b))).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("x_shape", "weight_shape", "stride", "padding"), CONVOLUTIONS, ids=str)
def test_convolution_by_masks(x_shape, weight_shape, stride, padding, device):
    """The factors are numbers of float16 already: what is left are the roundings of a sum of KH KW C products."""
    x, weight = (drawn(*shape).astype("float16").astype("float32") for shape in (x_shape, weight_shape))
    on_device = (backend.to_device(array, device) for array in (x, weight))
    y = backend.to_numpy(ladder.conv2d(*on_device, stride, padding, guarded))
    pads = ((padding, padding), (padding, padding))
    expected = loops.conv2d(x.astype("float64"), weight.astype("float64"), 0, (stride, stride), pads)
    magnitude = loops.conv2d(abs(x).astype("float64"), abs(weight).astype("float64"), 0, (stride, stride), pads)
    assert y.dtype == "float32" and y.shape == expected.shape
    assert (np.abs(y - expected) <= np.prod(weight_shape[:3]) * np.finfo("float32").eps * magnitude).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("slope", [0.2, 1.0])
@pytest.mark.parametrize(("x_shape", "weight_shape", "stride", "padding"), CONVOLUTIONS, ids=str)
def test_layer_with_an_epilogue(x_shape, weight_shape, stride, padding, slope, device):
    """y of numbers that float16 holds: it is off by one rounding of its own, and the roundings of the sum."""
    x, weight = (drawn(*shape).astype("float16").astype("float32") for shape in (x_shape, weight_shape))
    bias = drawn(weight_shape[3]) + 3
    given = [backend.to_device(array, device) for array in (x, weight, bias)]
    y, mean, variance = map(backend.to_numpy, ladder.layer(*given, slope, stride, padding))
    pads = ((padding, padding), (padding, padding))
    exact = loops.conv2d(x.astype("float64"), weight.astype("float64"), bias, (stride, stride), pads)
    magnitude = loops.conv2d(abs(x).astype("float64"), abs(weight).astype("float64"), abs(bias), (stride, stride), pads)
    exact = np.where(exact > 0, exact, slope * exact)
    off = np.prod(weight_shape[:3]) * np.finfo("float32").eps * magnitude
    assert y.dtype == "float16" and y.shape == exact.shape and mean.dtype == variance.dtype == "float32"
    assert (np.abs(y - exact) <= off + 2.0**-11 * abs(exact) + 2.0**-25).all()
    rows = y.reshape(-1, y.shape[-1]).astype("float64")
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, rows.var(axis=0), rtol=1e-5, atol=1e-9)


def test_variance_of_numbers_far_from_zero():
    """Mean 1000, deviations of 1: of the sum of the squares float would keep none of the digits that matter."""
    rows = 1000 + drawn(300, 1).round()
    x, weight = np.ones((300, 1, 1, 1), "float32"), np.ones((1, 1, 1, 1), "float32")
    x[:, 0, 0] = rows
    _, mean, variance = ladder.layer(x, weight)
    np.testing.assert_allclose((mean[0], variance[0]), (rows.mean(), rows.astype("float64").var()), rtol=1e-5)


def launch_between_pages(at_end, entry, grid, block, args):
    arrays = [between_pages(a, at_end) for a in args if isinstance(a, np.ndarray)]
    kernels.launch(entry, grid, block, [*arrays, *args[len(arrays) :]])


def run_between_guard_pages() -> None:
    """Run the steps that copy 16 bytes at a time on arrays that begin or end beside a page without access."""
    for launch in (functools.partial(launch_between_pages, at_end) for at_end in (False, True)):
        for M, N, K in PRODUCT_SHAPES:
            print(f"product {M, N, K}", flush=True)
            for step in ladder.HALF:
                ladder.matmul(step, drawn(M, K), drawn(K, N), launch)
        for x_shape, weight_shape, stride, padding in CONVOLUTIONS:
            print(f"convolution {x_shape, weight_shape}", flush=True)
            ladder.conv2d(drawn(*x_shape), drawn(*weight_shape), stride, padding, launch)
            ladder.layer(drawn(*x_shape), drawn(*weight_shape), drawn(weight_shape[3]), 0.2, stride, padding, launch)


def test_wide_copies_stay_within_the_arrays():
    assert_survives(__file__, "run_between_guard_pages()")


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


MISTAKES = [
    lambda x: ladder.channel_sum("fastest", x),
    lambda x: ladder.matmul("naive", x, x),
    lambda x: ladder.conv2d(x.reshape(1, 2, 2, 3), drawn(2, 2, 4, 1)),  # channels differ
    lambda x: ladder.conv2d(x.reshape(1, 2, 2, 3), drawn(3, 1, 3, 1)),  # no place for three rows
    lambda x: ladder.conv2d(x.reshape(1, 2, 2, 3), drawn(17, 1, 3, 1), 1, 8),  # 17 taps, 16 bits
    lambda x: ladder.layer(x.reshape(1, 2, 2, 3), drawn(2, 2, 4, 1)),
]


@pytest.mark.parametrize("call", MISTAKES)
def test_mistakes_are_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call(drawn(4, 3))


@pytest.mark.parametrize("step", ROUNDED)
def test_steps_that_round_refuse_float64(step):
    with pytest.raises(TypeError, match="expected float32"):
        ladder.matmul(step, drawn(4, 4, dtype="float64"), drawn(4, 4, dtype="float64"))


@pytest.mark.parametrize("name", bench.STEPS)
def test_each_header_names_its_step_and_the_defect_it_removes(name):
    for number, step in enumerate(bench.STEPS[name], 1):
        header = path_of(ladder.stem(name, step)).read_text().partition("\n\n")[0]
        assert f"Step {number} of {len(bench.STEPS[name])}" in header
        assert "Thread -> element" in header and "In the counters" in header
        assert number == 1 or re.search(r"Defects? removed", header), step
