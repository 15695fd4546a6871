"""The convolution kernels on tensor cores: exact sums of whole numbers, in every tile and split, and their bounds.

Over 300 lines: every test multiplies by the same few functions, in all precisions and passes.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from benchmarks.static import gpus
from cases import EPS32, assert_close, host
from conv_shapes import (
    EIGHTS,
    MMA_CUTS,
    PASSES,
    PRECISIONS,
    Shape,
    arrays,
    expected,
    multiplied,
    on,
    random_shape,
    rounded,
)
from gpunet import backend, kernels
from gpunet.backend import factors, tensor_cores
from gpunet.backend.sizes import conv_sizes
from gpunet.backend.tensor_cores import HUGE, SMALL, TALL, WIDE, After, Plan
from guard_pages import assert_survives, between_pages, empty_between_pages

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", PRECISIONS)
every_pass = pytest.mark.parametrize("which", PASSES)
CHANNELS = (8, 16, 24, 40)


def cuts(device, precision, shape):
    """Return how a shape is cut up: every way on the CPU for tf32, else some of the ways, which vary with the shape."""
    if device == "cpu" and precision == "tf32":
        return [None, *MMA_CUTS]
    step = 7 if device == "cuda" else 3
    return [None, *MMA_CUTS[EIGHTS.index(shape) % step :: step]]


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("shape", EIGHTS, ids=str)
def test_whole_numbers_are_exact(device, precision, shape, which):
    a = arrays(shape)
    wanted, there = expected(which, shape, a), rounded(on(device, a), precision)
    for cut in cuts(device, precision, shape):
        result = multiplied(which, shape, there, precision, cut)
        assert result.dtype == "float32"
        np.testing.assert_array_equal(host(result), wanted, err_msg=f"{cut}")


@everywhere
@every_pass
def test_the_largest_kernel_is_exact(device, which):
    """15 x 15 taps: every bit of a mask, with taps that reach beyond the image on each side."""
    shape = Shape(1, 8, 9, 8, 8, (15, 15), (1, 1), ((5, 3), (0, 7)))
    a = arrays(shape)
    there = rounded(on(device, a), "tf32")
    for cut in (None, Plan(SMALL, 3)):
        np.testing.assert_array_equal(host(multiplied(which, shape, there, "tf32", cut)), expected(which, shape, a))


@every_format
@every_pass
@pytest.mark.parametrize("seed", range(50, 70))
def test_random_shapes_are_exact(precision, seed, which):
    shape = random_shape(seed, CHANNELS, CHANNELS)
    a = arrays(shape)
    wanted, there = expected(which, shape, a), rounded(on("cpu", a), precision)
    for cut in [None, MMA_CUTS[seed % len(MMA_CUTS)], MMA_CUTS[(7 * seed + 1) % len(MMA_CUTS)]]:
        np.testing.assert_array_equal(multiplied(which, shape, there, precision, cut), wanted, err_msg=f"{cut}")


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("cut", [Plan(WIDE, 1), Plan(SMALL, 4)])
def test_sums_are_those_of_float32(device, precision, which, cut):
    """The result is that of the rounded factors up to float32's rounding, and not that of the factors as they came."""
    shape = Shape(2, 9, 7, 16, 24, (4, 4), (2, 2), ((1, 1), (1, 2)))
    a = arrays(shape, lambda rng, size: rng.standard_normal(size).astype("float32"))
    there = rounded(on(device, a), precision)
    result = multiplied(which, shape, there, precision, cut)
    numbers = {name: as_float(host(array), precision).astype("float64") for name, array in there.items()}
    assert_close(result, expected(which, shape, numbers), 16 * EPS32)
    if precision == "tf32x3":  # nothing was rounded: both halves of a number are multiplied
        return
    with pytest.raises(AssertionError):
        assert_close(result, expected(which, shape, {k: v.astype("float64") for k, v in a.items()}), 16 * EPS32)


LONG_SUMS = {  # of 4096 products: 4 x 4 taps x 256 channels; 2 x 2 taps of a phase x 1024 filters; 4 x 32 x 32 pixels
    "forward": Shape(1, 8, 8, 256, 8, (4, 4), (2, 2), ((1, 1), (1, 1))),
    "input_grad": Shape(1, 8, 8, 8, 1024, (4, 4), (2, 2), ((1, 1), (1, 1))),
    "weight_grad": Shape(4, 64, 64, 8, 8, (4, 4), (2, 2), ((1, 1), (1, 1))),
}


@every_pass
def test_tf32x3_has_nearly_the_digits_of_float32_in_long_sums(which):
    """Cut up as in training. On the CPU each addition is rounded to the nearest float. tf32 is 100 times worse."""
    shape, error = LONG_SUMS[which], {}
    a = arrays(shape, lambda rng, size: rng.standard_normal(size).astype("float32"))
    exact = expected(which, shape, {name: array.astype("float64") for name, array in a.items()})
    for precision in ("tf32x3", "tf32"):
        result = multiplied(which, shape, rounded(on("cpu", a), precision), precision)
        error[precision] = np.linalg.norm(result - exact) / np.linalg.norm(exact)
    assert error["tf32x3"] <= 1e-6 and error["tf32"] > 100 * error["tf32x3"], error


def as_float(numbers, precision):
    """Return the numbers of a factor: those of bfloat16 are held as 16 bits, the high ones of a float32."""
    if precision == "bf16" and numbers.dtype == "uint16":
        return (numbers.astype("uint32") << 16).view("float32")
    return numbers


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_nan_reaches_what_depends_on_it_and_nothing_else(device, precision, which, bad):
    """With pads, a phase of its own for every pixel, and channels that leave a part of the last tile empty."""
    shape = Shape(2, 7, 6, 24, 40, (3, 3), (2, 2), ((1, 0), (1, 1)))
    a = arrays(shape, lambda rng, size: rng.integers(1, 4, size).astype("float64"))
    a["dy" if which == "input_grad" else "x"][1, 2, 1, 3] = bad
    wanted = ~np.isfinite(expected(which, shape, a))
    assert wanted.any() and not wanted.all()
    for cut in (Plan(TALL, 2), Plan(HUGE, 1)):
        result = host(multiplied(which, shape, rounded(on(device, a), precision), precision, cut))
        assert np.array_equal(~np.isfinite(result), wanted)


@everywhere
def test_a_nan_weight_reaches_its_own_output_only(device):
    """A weight meets every output pixel, also where its tap lies in the padding: 0 * NaN is NaN."""
    shape = Shape(2, 7, 6, 24, 40, (3, 3), (2, 2), ((1, 0), (1, 1)))
    a = arrays(shape, lambda rng, size: rng.integers(1, 4, size).astype("float64"))
    a["weight"][0, 1, 5, 11] = np.nan
    there = rounded(on(device, a), "tf32")
    y = host(multiplied("forward", shape, there, "tf32", Plan(SMALL, 2)))
    assert np.array_equal(np.isnan(y), np.broadcast_to(np.arange(40) == 11, y.shape))
    dx = np.isnan(host(multiplied("input_grad", shape, there, "tf32", Plan(SMALL, 2))))
    assert dx[np.isnan(expected("input_grad", shape, a))].all()
    dx[:, 1::2, 0::2, 5] = False  # the pixels of the phase that meets tap (0, 1): row h + 1 even, column w + 1 odd
    assert not dx.any()


@everywhere
@pytest.mark.parametrize("precision, rounds", [*itertools.product(factors.DTYPES, [False, True]), ("tf32x3", False)])
@pytest.mark.parametrize("cut", [Plan(HUGE, 1), Plan(SMALL, 3)])
def test_leaky_relu_behind_the_sum(device, precision, rounds, cut):
    """y = leaky_relu(sum + bias) and, with a mask, dx = sum times its derivative; rounded once, when it is written."""
    shape, slope = EIGHTS[1], 0.25  # a power of two, so that the products with it are exact
    a = arrays(shape)
    there = rounded(on(device, a), precision)
    y = tensor_cores.conv2d(
        there["x"], there["weight"], shape.sizes, precision, there["bias_f"], After(slope, rounds=rounds), cut
    )
    exact = expected("forward", shape, a)
    check_result(y, np.where(exact > 0, exact, slope * exact), precision, slope, rounds)
    after = After(slope, there["x"], rounds)
    dx = tensor_cores.conv2d_input_grad(there["dy"], there["weight"], shape.sizes, precision, None, after, cut)
    exact = expected("input_grad", shape, a) - a["bias_c"]
    check_result(dx, np.where(a["x"] > 0, exact, slope * exact), precision, slope, rounds)


def check_result(result, wanted, precision, slope, rounds):
    """Check a result that was rounded, a Factor, or was not, an array."""
    if rounds:
        assert (result.precision, result.slope) == (precision, slope)
        wanted = as_float(factors.factor(wanted.astype("float32"), precision), precision)
        result = as_float(host(result.numbers), precision)
    np.testing.assert_array_equal(host(result), wanted)


@everywhere
@every_format
@every_pass
def test_split_sums_repeat_bit_for_bit_and_leave_the_counters_zero(device, precision, which, monkeypatch):
    shape, counters = EIGHTS[0], []
    monkeypatch.setattr(tensor_cores, "arrivals", noting(tensor_cores.arrivals, counters))
    drawn = arrays(shape, lambda rng, size: rng.standard_normal(size))
    there = rounded(on(device, drawn), precision)
    runs = [host(multiplied(which, shape, there, precision, Plan(SMALL, splits))) for splits in (18, 18, 18, 5, 5)]
    assert np.array_equal(runs[0], runs[1]) and np.array_equal(runs[0], runs[2]) and np.array_equal(runs[3], runs[4])
    assert len(counters) == 5 and not any(host(array).any() for array in counters)


def noting(function, results):
    """Return a function that keeps its results in a list, too."""

    def noted(*args):
        results.append(function(*args))
        return results[-1]

    return noted


@everywhere
@every_format
def test_a_given_result_may_begin_anywhere(device, precision):
    """An optimiser's buffer holds the gradients of all parameters, one behind the other."""
    shape = EIGHTS[0]
    a = arrays(shape)
    there, wanted = rounded(on(device, a), precision), expected("weight_grad", shape, a)
    for before in (1, 2, 3, 4):
        flat = backend.to_device(np.full(wanted.size + before + 1, 7, "float32"), device)
        out = flat[before:-1].reshape(wanted.shape)
        assert tensor_cores.conv2d_weight_grad(there["x"], there["dy"], shape.sizes, precision, out) is out
        np.testing.assert_array_equal(host(out), wanted)
        assert (host(flat)[[*range(before), -1]] == 7).all()


@pytest.mark.parametrize("tile, blocks", [(HUGE, 1), (WIDE, 2), (TALL, 2), (SMALL, 3)])
@pytest.mark.parametrize("which", PASSES)
def test_as_many_blocks_fit_into_a_multiprocessor_as_the_launch_bounds_promise(tile, blocks, which):
    """With the smallest shared memory of the GPUs for data centres, and 16 bytes for add_splits."""
    shared, registers = tensor_cores.shared_bytes(which, tile) + 16, 65536 // (tile.threads * blocks) // 8 * 8
    fit = gpus.blocks_per_multiprocessor("sm_80", tile.threads, min(registers, 255), shared)
    assert fit >= blocks and shared <= 163 * 1024


def test_every_kernel_has_a_cut():
    """So every one is launched above."""
    names = {f"conv2d_{which}_{tile.name}" for which in PASSES for tile in {cut.tile for cut in MMA_CUTS}}
    for precision in PRECISIONS:
        stems = [f"conv2d_mma/{which}_{precision}" for which in PASSES]
        assert names == {name for stem in stems for name in kernels.load(stem, "float32", "cpu").entries}


@pytest.mark.parametrize(
    "weight, taken",
    [
        ((4, 4, 64, 128), True), ((15, 15, 8, 8), True), ((1, 1, 8, 8), True), ((4, 4, 40, 24), True),
        ((16, 15, 8, 8), False), ((15, 16, 8, 8), False),
        ((4, 4, 3, 64), False), ((4, 4, 512, 1), False), ((4, 4, 12, 64), False), ((4, 4, 64, 100), False),
    ],
)  # fmt: skip
def test_which_convolutions_are_taken(weight, taken):
    assert tensor_cores.takes(weight) == taken


@pytest.mark.parametrize(
    "x, weight, dy", [((2, 4, 4, 8), (3, 3, 16, 8), (2, 2, 2, 8)), ((2, 4, 4, 16), (3, 3, 16, 8), (1, 2, 2, 8))]
)
def test_sizes_that_do_not_fit_are_refused(x, weight, dy):
    """The kernels could only read beyond the arrays."""
    sizes = conv_sizes((2, 4, 4), weight, (1, 1), ((0, 0), (0, 0)))
    x, weight, dy = (np.ones(size, "float32") for size in (x, weight, dy))
    with pytest.raises(ValueError, match=r"got x \(2, 4, 4, .*\), weight .* expected .*: \(N, H, W, C\)"):
        tensor_cores.conv2d(x, weight, sizes, "tf32")
        tensor_cores.conv2d_weight_grad(x, dy, sizes, "tf32")
    with pytest.raises(ValueError, match="got x .*, weight .*"):
        tensor_cores.conv2d_input_grad(dy[:, :, :, 1:], weight, sizes, "tf32")


@everywhere
@every_format
@every_pass
def test_factors_at_odd_addresses_are_refused(device, precision, which):
    """The kernels copy 16 bytes at a time: a GPU would stop with an error that names no array."""
    shape = EIGHTS[0]
    there = rounded(on(device, arrays(shape)), precision)
    for name in {"forward": ("x", "weight"), "input_grad": ("dy", "weight"), "weight_grad": ("x", "dy")}[which]:
        flat = backend.to_device(np.zeros(there[name].size + 2, there[name].dtype), device)
        odd = flat[2:].reshape(there[name].shape)  # 4 or 8 bytes behind a multiple of 16
        with pytest.raises(ValueError, match=f"`{name}`: got address 0x.*, expected a multiple of 16"):
            multiplied(which, shape, {**there, name: odd}, precision)


@everywhere
@every_format
def test_empty_batches(device, precision):
    shape = Shape(0, 4, 4, 8, 16, (3, 3))
    there = rounded(on(device, arrays(shape)), precision)
    y, dx, dweight = (multiplied(which, shape, there, precision) for which in PASSES)
    assert (y.shape, dx.shape) == ((0, 2, 2, 16), (0, 4, 4, 8))
    assert dweight.shape == (3, 3, 8, 16) and not host(dweight).any()


def run_between_guard_pages(precision: str) -> None:
    """Run every shape and pass in every tile with all arrays, the result's included, between pages without access."""
    for at_end in (True, False):
        tensor_cores.empty = functools.partial(empty_between_pages, at_end)
        for shape in EIGHTS:
            a = arrays(shape)
            there = {k: between_pages(v, at_end) for k, v in rounded(on("cpu", a), precision).items()}
            for which in PASSES:
                for cut in (Plan(HUGE, 1), Plan(WIDE, 3), Plan(TALL, 1), Plan(SMALL, 1), Plan(SMALL, 3)):
                    print(at_end, shape, which, cut, flush=True)
                    result = multiplied(which, shape, there, precision, cut)
                    np.testing.assert_array_equal(result, expected(which, shape, a))
            after = After(0.25, there["x"], rounds=True)
            for cut in (Plan(TALL, 1), Plan(SMALL, 2)):
                print(at_end, shape, "a rounded result", cut, flush=True)
                tensor_cores.conv2d_input_grad(there["dy"], there["weight"], shape.sizes, precision, None, after, cut)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])  # fp16 differs from bf16 in the multiplication alone
def test_no_byte_outside_is_touched(precision):
    assert_survives(__file__, f"run_between_guard_pages({precision!r})")
