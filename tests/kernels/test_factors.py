"""Factors of the tensor cores: rounding to each format, by itself or in the pass that computes the numbers."""

from __future__ import annotations

import numpy as np
import pytest

from cases import host
from gpunet import backend
from gpunet.backend import factors
from gpunet.backend.choices import fusing
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


every_affine = pytest.mark.parametrize("affine", [True, False])
every_batches = pytest.mark.parametrize("batches", [1, 2])
every_map = pytest.mark.parametrize("shape", [(4, 5, 7, 8), (2, 33, 31, 3), (6, 2, 2, 40), (2, 1, 9, 136)], ids=str)


@everywhere
@every_format
@every_batches
@every_affine
@every_map
def test_batch_norm_rounds_its_results(device, precision, batches, affine, shape):
    """y and dx are those of batch norm itself, rounded; dscale and dshift are the same bits.

    Not fused: few rows in one launch are added up in another order (test_fused.py).
    """
    channels = shape[-1]
    x, dy = (backend.to_device(drawn(shape, seed), device) for seed in (0, 1))
    scale, shift = (backend.to_device(1 + drawn(channels, seed), device) if affine else None for seed in (2, 3))
    given = (x, scale, shift, 1e-5, 0.2, None, batches)
    with backend.use("kernels"), fusing(False):
        plain = backend.batchnorm(*given)
        y, mean, var, rstd = backend.batchnorm(*given, precision)
        dx, *sums = backend.batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, 0.2)
        rounded, *same = backend.batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, 0.2, precision=precision)
        equal = (factor(plain[0], precision), y.numbers), (factor(dx, precision), rounded.numbers)
    for a, b in [*equal, *zip(plain[1:], (mean, var, rstd), strict=True), *zip(sums, same, strict=True)]:
        assert np.array_equal(host(a), host(b))


TYPES = ["plain", "rounded"]
stored_format = pytest.mark.parametrize("precision", factors.STORED)


def typed(x, kind, precision):
    """Return an array, or a factor with its numbers."""
    return Factor(factor(x, precision), precision) if kind == "rounded" else x.copy()


@everywhere
@stored_format
@every_batches
@every_map
@pytest.mark.parametrize("y_kind", TYPES)
@pytest.mark.parametrize("x_kind", TYPES)
def test_batch_norm_reads_factors(device, precision, batches, shape, x_kind, y_kind):
    """Its results are those for the numbers that the factor stands for; the running averages move as well."""
    channels, running = shape[-1], [backend.to_device(np.ones(shape[-1], "float32"), device) for _ in range(4)]
    x = typed(backend.to_device(3 + drawn(shape), device), x_kind, precision)
    scale, shift = (backend.to_device(1 + drawn(channels, seed), device) for seed in (2, 3))
    with backend.use("kernels"):
        more = (scale, shift, 1e-5, 0.2)
        plain = backend.batchnorm(factors.real(x), *more, (*running[:2], 0.1), batches)
        wanted = precision if y_kind == "rounded" else None
        y, *statistics = backend.batchnorm(x, *more, (*running[2:], 0.1), batches, wanted)
    assert isinstance(y, Factor) == (y_kind == "rounded") and all(array.dtype == "float32" for array in statistics)
    for a, b in [*zip(statistics, plain[1:], strict=True), *zip(running[2:], running[:2], strict=True)]:
        np.testing.assert_allclose(host(a), host(b), rtol=3e-6, atol=1e-6)
    digits = {"plain": 1e-5, "rounded": 2.0**-8 if precision == "bf16" else 2.0**-11}[y_kind]
    np.testing.assert_allclose(host(factors.real(y)), host(plain[0]), rtol=2 * digits, atol=2e-5)


@everywhere
@stored_format
@every_batches
@every_map
@pytest.mark.parametrize("kinds", [(dx, dy, x) for dx in TYPES for dy in TYPES for x in TYPES], ids=str)
def test_batch_norm_backward_reads_factors(device, precision, batches, shape, kinds):
    channels = shape[-1]
    x, dy = (typed(backend.to_device(drawn(shape, i), device), kinds[2 - i], precision) for i in (0, 1))
    scale, shift = (backend.to_device(1 + drawn(channels, seed), device) for seed in (2, 3))
    wanted = precision if kinds[0] == "rounded" else None
    with backend.use("kernels"):
        _, mean, _, rstd = backend.batchnorm(factors.real(x), scale, shift, 1e-5, 0.2, None, batches)
        given = (mean, rstd, scale, shift, 0.2)
        expected, *sums = backend.batchnorm_backward(factors.real(dy).copy(), factors.real(x), *given)
        dx, *found = backend.batchnorm_backward(dy, x, *given, precision=wanted)
    assert isinstance(dx, Factor) == (kinds[0] == "rounded")
    for a, b in zip(found, sums, strict=True):
        assert a.dtype == "float32" and np.abs(host(a) - host(b)).max() <= 1e-5 * np.abs(host(b)).max()
    digits = {"plain": 1e-5, "rounded": 2.0**-8 if precision == "bf16" else 2.0**-11}[kinds[0]]
    np.testing.assert_allclose(host(factors.real(dx)), host(expected), rtol=2 * digits, atol=2e-5)
    assert (getattr(dx, "numbers", dx) is getattr(dy, "numbers", dy)) == (kinds[0] == kinds[1])  # written into dy


@everywhere
@stored_format
def test_an_address_between_two_runs_of_16_bytes(device, precision):
    """Numbers are then read one by one, and come out the same."""
    x = backend.to_device(drawn((6, 4, 16)), device)
    scale, results = backend.to_device(np.ones(16, "float32"), device), []
    for offset in (0, 8, 3):
        memory = backend.array_module(x).zeros(x.size + 16, factors.DTYPES[precision])
        numbers = memory[offset : offset + x.size].reshape(x.shape)
        numbers[...] = factor(x, precision)
        made = Factor(numbers, precision)
        with backend.use("kernels"):
            y, mean, var, _ = backend.batchnorm(made, scale, None, 1e-5, 0.0, None, 1, precision)
        results.append((host(y.numbers), host(mean), host(var)))
    for a, b, c in zip(*results, strict=True):
        assert np.array_equal(a, b)
        np.testing.assert_allclose(a.astype("float64"), c, rtol=1e-6)


@everywhere
@stored_format
@pytest.mark.parametrize("shape", [*SHAPES, (2, 1, 9, 136), (3, 40, 41, 16), (0, 2, 2, 8)], ids=str)
def test_sums_over_rows_of_factors(device, precision, shape):
    made = typed(backend.to_device(drawn(shape), device), "rounded", precision)
    with backend.use("kernels"):
        total = backend.column_sum(made)
        into = backend.column_sum(made, out=total * 0 + np.nan)
    expected = host(made.real()).astype("float64").reshape(-1, shape[-1])
    assert total.dtype == "float32" and np.array_equal(host(total), host(into))
    bound = 1e-6 * np.abs(expected).sum(axis=0) + 1e-12
    assert (np.abs(host(total) - expected.sum(axis=0)) <= bound).all()


@everywhere
@stored_format
def test_leaky_relu_backward_of_factors(device, precision):
    """dx is written into the factor dy, rounded once more where the slope multiplied it."""
    x, dy = (backend.to_device(drawn((3, 5, 7, 8), seed), device) for seed in (0, 1))
    given = typed(dy, "rounded", precision)
    with backend.use("kernels"):
        y = factors.leaky_relu(x, 0.2, precision)
        expected = factor(factors.leaky_relu_backward(given.real().copy(), y, 0.2), precision)
        dx = factors.leaky_relu_backward(given, y, 0.2)
    assert dx is given and np.array_equal(host(dx.numbers), host(expected))


@everywhere
def test_a_sum_over_fp16_that_overflowed_is_not_finite(device):
    """A gradient beyond 65504 is stored as infinity, and so are the sums that it is in: unscaling sees it."""
    dy = typed(backend.to_device(np.full((2, 4, 4, 8), 7e4, "float32"), device), "rounded", "fp16")
    x = typed(backend.to_device(drawn((2, 4, 4, 8)), device), "rounded", "fp16")
    with backend.use("kernels"):
        _, mean, _, rstd = backend.batchnorm(x, None, None, 1e-5)
        assert not np.isfinite(host(backend.column_sum(dy))).any()
        dx, dscale, dshift = backend.batchnorm_backward(dy, x, mean, rstd, None, None, precision="fp16")
    assert not any(np.isfinite(host(array)).any() for array in (dx.numbers, dscale, dshift))


@everywhere
def test_factors_of_two_precisions_are_refused(device):
    x = typed(backend.to_device(drawn((2, 4, 4, 8)), device), "rounded", "fp16")
    with backend.use("kernels"), pytest.raises(ValueError, match="got factors of bf16 and fp16, expected one"):
        backend.batchnorm(x, None, None, 1e-5, precision="bf16")


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
