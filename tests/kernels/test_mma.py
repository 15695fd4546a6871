"""The convolution kernels on tensor cores: exact sums of whole numbers, rounded factors, the ends of each format."""

from __future__ import annotations

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from conv_shapes import CUTS, PASSES, SHAPES, Shape, arrays, computed, expected, on, random_shape
from gpunet.backend.tiled import SMALL, TALL, WIDE, Plan

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_pass = pytest.mark.parametrize("which", PASSES)


def round_fraction(x, bits, to_integer):
    """Round to `bits` significant bits, float's range."""
    fraction, exponent = np.frexp(x.astype("float64"))  # 0.5 <= |fraction| < 1
    return np.ldexp(to_integer(fraction * 2.0**bits), exponent - bits)


def half_away(x):
    return np.trunc(x + np.copysign(0.5, x))


ROUND = {
    "tf32": lambda x: round_fraction(x, 11, half_away),
    "bf16": lambda x: round_fraction(x, 8, np.rint),
    "fp16": lambda x: x.astype("float16").astype("float64"),
}
every_format = pytest.mark.parametrize("precision", ROUND)


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers_are_exact(device, precision, shape, which):
    a = arrays(shape)
    wanted = expected(which, shape, a)
    for cut in CUTS if precision == "tf32" else CUTS[1::3]:  # all formats share everything but the multiplication
        result = computed(which, shape, on(device, a), f"conv2d/conv2d_{precision}", cut)
        assert result.dtype == "float32"
        np.testing.assert_array_equal(host(result), wanted, err_msg=f"{cut}")


@every_format
@every_pass
@pytest.mark.parametrize("seed", range(12, 20))
def test_random_shapes_are_exact(precision, seed, which):
    shape = random_shape(seed)
    a = arrays(shape)
    wanted = expected(which, shape, a)
    for cut in [None, CUTS[seed % len(CUTS)]]:
        result = computed(which, shape, on("cpu", a), f"conv2d/conv2d_{precision}", cut)
        np.testing.assert_array_equal(host(result), wanted, err_msg=f"{shape}")


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("cut", [Plan(WIDE, 1), Plan(SMALL, 4)])
def test_factors_are_rounded_and_sums_are_not(device, precision, which, cut):
    """The result is that of the rounded factors up to float32's rounding, and not that of the factors as they came."""
    shape = Shape(2, 9, 7, 16, 12, (4, 4), (2, 2), ((1, 1), (1, 2)))
    a = arrays(shape, lambda rng, size: rng.standard_normal(size).astype("float32"))
    result = computed(which, shape, on(device, a), f"conv2d/conv2d_{precision}", cut)
    factors = {name: array if name.startswith("bias") else ROUND[precision](array) for name, array in a.items()}
    assert_close(result, expected(which, shape, factors), 16 * EPS32)
    with pytest.raises(AssertionError):
        assert_close(result, expected(which, shape, {k: v.astype("float64") for k, v in a.items()}), 16 * EPS32)


@everywhere
@pytest.mark.parametrize(
    "precision, x, y",
    [
        ("tf32", [1e38, -1e-37, 1 + 2**-11, -1 - 2**-11, 1 + 2**-12], [1e38, -1e-37, 1 + 2**-10, -1 - 2**-10, 1]),
        ("bf16", [1e38, -1e-37, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-9], [1e38, -1e-37, 1, 1 + 2**-6, 1]),
        ("fp16", [65504, 65519, 65520, -1e9, 6e-8, 2e-8], [65504, 65504, np.inf, -np.inf, 2**-24, 0]),
        ("fp16", [1 + 2**-11, 1 + 3 * 2**-11, 3 * 2**-25, 2**-25], [1, 1 + 2**-9, 2**-23, 0]),
    ],
)
def test_the_ends_of_each_format(device, precision, x, y):
    """Ties, overflow and the smallest numbers, each multiplied by one; infinity and NaN stay what they are."""
    values = np.array([*x, np.inf, -np.inf, np.nan], "float32")
    shape = Shape(len(values), 1, 1, 1, 1, (1, 1))
    a = {"x": values.reshape(-1, 1, 1, 1), "weight": np.ones((1, 1, 1, 1)), "bias_f": np.zeros(1)}
    result = host(computed("forward", shape, on(device, a), f"conv2d/conv2d_{precision}")).ravel()
    rounded = ROUND[precision](np.array(y)) if max(map(abs, y)) < 1e39 else y
    np.testing.assert_array_equal(result, np.array([*rounded, np.inf, -np.inf, np.nan], "float32"))


@everywhere
@every_format
@every_pass
def test_a_nan_reaches_what_depends_on_it_and_nothing_else(device, precision, which):
    shape = Shape(2, 7, 6, 4, 5, (3, 3), (2, 2), ((1, 0), (1, 1)))
    a = arrays(shape, lambda rng, size: rng.integers(1, 4, size).astype("float64"))
    a["dy" if which == "input_grad" else "x"][1, 2, 1, 3] = np.nan
    result = host(computed(which, shape, on(device, a), f"conv2d/conv2d_{precision}", Plan(TALL, 2)))
    assert np.array_equal(np.isnan(result), np.isnan(expected(which, shape, a)))
    assert np.isnan(result).any() and not np.isnan(result).all()


def test_float64_keeps_its_digits():
    """Arrays of float64 are multiplied on the CUDA cores by these files, too."""
    shape = Shape(2, 5, 5, 3, 4, (3, 3))
    a = arrays(shape, lambda rng, size: rng.standard_normal(size))
    for which in PASSES:
        result = computed(which, shape, a, "conv2d/conv2d_tf32", Plan(TALL, 2))
        assert_close(result, expected(which, shape, a), 1e-14)
