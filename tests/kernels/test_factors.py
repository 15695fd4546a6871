"""Factors of the tensor cores: rounding to each format, by itself or in the pass that computes the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cases import host
from gpunet import backend
from gpunet.backend import factors
from gpunet.backend.factors import Factor, factor

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
SHAPES = [(1, 1, 1, 1), (3, 5, 7, 8), (2, 33, 31, 3), (1, 4, 256, 1)]  # 1, 840, 6138 and 1024 numbers


def round_fraction(x, bits, to_integer):
    """Round to `bits` significant bits, of which a number has fewer below 2^-126, float32's range."""
    fraction, exponent = np.frexp(x.astype("float64"))  # 0.5 <= |fraction| < 1
    places = bits - np.maximum(exponent, -125)  # after the binary point, of the last bit
    return np.ldexp(to_integer(np.ldexp(fraction, exponent + places)), -places).astype("float32")


def half_away(x):
    return np.trunc(x + np.copysign(0.5, x))


ROUND = {
    "tf32": lambda x: round_fraction(x, 11, half_away),
    "bf16": lambda x: round_fraction(x, 8, np.rint),
    "fp16": lambda x: x.astype("float16").astype("float32"),
}


def values(numbers, precision):
    """Return the numbers of a factor as float32."""
    numbers = host(numbers)
    assert numbers.dtype == factors.DTYPES[precision]
    if precision == "bf16":
        return (numbers.astype("uint32") << 16).view("float32")
    return numbers.astype("float32")


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


@everywhere
@every_format
def test_every_number_goes_to_the_nearest(device, precision):
    """Random bits: every exponent and every fraction, infinities and NaNs among them."""
    bits = np.random.default_rng(0).integers(0, 2**32, 20001, "uint64").astype("uint32")
    bits[:2] = 0x7FC00000, 0xFFFFFFFF
    if device == "cpu":  # NaNs by their last bit alone; arithmetic makes none, and a GPU's conversion may keep them
        bits[2:4] = 0x7F800001, 0xFF800001
    x = bits.view("float32")
    got = values(factor(backend.to_device(x, device), precision), precision)
    finite = np.isfinite(x)
    with np.errstate(over="ignore"):
        assert np.array_equal(got[finite], ROUND[precision](x[finite]))
    assert np.array_equal(got[~finite], x[~finite], equal_nan=True)
    assert np.array_equal(np.signbit(got[finite]), np.signbit(x[finite]))
    if precision == "tf32":  # the tensor cores do not see the other bits
        seen = (got.view("uint32") & 0xFFFFE000).view("float32")
        assert np.array_equal(got[finite], seen[finite]) and np.array_equal(np.isnan(got), np.isnan(seen))


LARGEST = float(np.finfo("float32").max)


@everywhere
@pytest.mark.parametrize(
    "precision, x, y",
    [
        ("tf32", [1 + 2**-11, -1 - 2**-11, 1 + 2**-12], [1 + 2**-10, -1 - 2**-10, 1]),
        ("tf32", [LARGEST, -LARGEST, 2.0**-126, 2.0**-149], [np.inf, -np.inf, 2.0**-126, 0]),
        ("bf16", [1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 1 + 2**-9], [1, 1 + 2**-6, -1, 1]),
        ("bf16", [LARGEST, -LARGEST, 2.0**-126, 2.0**-149], [np.inf, -np.inf, 2.0**-126, 0]),
        ("fp16", [65504, 65519, 65520, -1e9, 6e-8, 2e-8], [65504, 65504, np.inf, -np.inf, 2**-24, 0]),
        ("fp16", [1 + 2**-11, 1 + 3 * 2**-11, 3 * 2**-25, 2**-25], [1, 1 + 2**-9, 2**-23, 0]),
    ],
)
def test_ties_and_the_ends_of_each_format(device, precision, x, y):
    there = backend.to_device(np.array([*x, np.inf, -np.inf, np.nan], "float32"), device)
    got = values(factor(there, precision), precision)
    np.testing.assert_array_equal(got, np.array([*y, np.inf, -np.inf, np.nan], "float32"))


@everywhere
@every_format
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_leaky_relu_rounds_its_result(device, precision, shape):
    x, dy = (backend.to_device(drawn(shape, seed), device) for seed in (0, 1))
    with backend.use("kernels"):
        y, plain = factors.leaky_relu(x, 0.2, precision), backend.leaky_relu(x, 0.2)
        expected = host(backend.leaky_relu_backward(dy.copy(), plain, 0.2))
    assert y.shape == shape and np.array_equal(host(y.numbers), host(factor(plain, precision)))
    assert np.array_equal(host(factors.leaky_relu_backward(dy, y, 0.2)), expected)


@everywhere
@every_format
@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(4, 5, 7, 8), (2, 33, 31, 3), (6, 2, 2, 40)], ids=str)
def test_batch_norm_rounds_its_results(device, precision, batches, affine, shape):
    """y and dx are those of batch norm itself, rounded; dscale and dshift are the same bits."""
    channels = shape[-1]
    x, dy = (backend.to_device(drawn(shape, seed), device) for seed in (0, 1))
    scale, shift = (backend.to_device(1 + drawn(channels, seed), device) if affine else None for seed in (2, 3))
    given = (x, scale, shift, 1e-5, 0.2, None, batches)
    with backend.use("kernels"):
        plain = backend.batchnorm(*given)
        y, mean, var, rstd = backend.batchnorm(*given, precision)
        dx, *sums = backend.batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, 0.2)
        rounded, *same = backend.batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, 0.2, precision=precision)
        equal = (factor(plain[0], precision), y.numbers), (factor(dx, precision), rounded.numbers)
    for a, b in [*equal, *zip(plain[1:], (mean, var, rstd), strict=True), *zip(sums, same, strict=True)]:
        assert np.array_equal(host(a), host(b))


@everywhere
@every_format
def test_no_numbers(device, precision):
    x = backend.to_device(np.zeros((0, 4, 4, 8), "float32"), device)
    assert factor(x, precision).shape == x.shape and len(factors.leaky_relu(x, 0.2, precision)) == 0


@everywhere
@every_format
def test_views_are_rounded_number_by_number(device, precision):
    """Arrays that are transposed, or that begin between two multiples of 16 bytes."""
    x = backend.to_device(drawn((6, 8, 10)), device)
    for view in (x.T, x[:, ::2], x.reshape(-1)[1:]):
        got = factor(view, precision)
        assert got.flags.c_contiguous and np.array_equal(values(got, precision), ROUND[precision](host(view)))


@every_format
def test_a_factor_stands_for_its_array(precision):
    x = drawn((2, 3, 4, 8))
    made = Factor(factor(x, precision), precision)
    assert (made.shape, made.ndim, len(made), made.dtype) == (x.shape, 4, 2, "float32")
    assert factor(made, precision) is made.numbers
    for other in {"tf32", "bf16", "fp16"} - {precision}:
        with pytest.raises(ValueError, match=f"got a factor of {precision}, expected {other}"):
            factor(made, other)
