"""The tiled convolution kernels: every pass, tile, split and copy width, number for number."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cases import EPS32, assert_close, host
from conv_shapes import CUTS, PASSES, SHAPES, Shape, arrays, computed, expected, on, random_shape
from gpunet import backend
from gpunet.backend import launches, tiled
from gpunet.backend.sizes import conv_sizes
from gpunet.backend.tiled import SMALL, TALL, WIDE, Plan
from guard_pages import assert_survives, between_pages, empty_between_pages

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_pass = pytest.mark.parametrize("which", PASSES)


@everywhere
@every_pass
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_cut_is_exact(device, dtype, shape, which):
    a = arrays(shape)
    wanted = expected(which, shape, a)
    for cut in CUTS:
        result = computed(which, shape, on(device, a, dtype), cut=cut)
        assert result.dtype == dtype
        np.testing.assert_array_equal(host(result), wanted, err_msg=f"{cut}")


@every_pass
@pytest.mark.parametrize("seed", range(12))
def test_random_shapes_are_exact(seed, which):
    shape = random_shape(seed)
    a = arrays(shape)
    wanted = expected(which, shape, a)
    for cut in [None, CUTS[seed % len(CUTS)], CUTS[(5 * seed + 1) % len(CUTS)]]:
        np.testing.assert_array_equal(host(computed(which, shape, on("cpu", a), cut=cut)), wanted, err_msg=f"{shape}")


@everywhere
@every_pass
def test_rounding_is_that_of_float32(device, which):
    """A sum of K products errs by at most K/2 ulp of the sum of their sizes; random errors stay far below."""
    shape = Shape(2, 9, 7, 16, 12, (4, 4), (2, 2), ((1, 1), (1, 2)))
    a = arrays(shape, lambda rng, size: rng.standard_normal(size))
    assert_close(computed(which, shape, on(device, a)), expected(which, shape, a), 8 * EPS32)
    assert_close(computed(which, shape, on(device, a, "float64")), expected(which, shape, a), 1e-14)


@everywhere
@pytest.mark.parametrize("cut", [Plan(TALL, 1), Plan(SMALL, 5)])
def test_passes_are_adjoint(device, cut):
    """<conv(x), dy> = <x, input_grad(dy)> = <weight, weight_grad(x, dy)>."""
    shape = Shape(2, 8, 9, 5, 6, (4, 3), (2, 2), ((1, 2), (0, 1)))
    a = arrays(shape, lambda rng, size: rng.standard_normal(size)) | {"bias_f": None, "bias_c": None}
    there = {name: None if array is None else backend.to_device(array, device) for name, array in a.items()}
    forward, input_grad, weight_grad = (host(computed(which, shape, there, cut=cut)) for which in PASSES)
    form = float((forward * a["dy"]).sum())
    assert abs(form) > 1
    assert float((input_grad * a["x"]).sum()) == pytest.approx(form, rel=1e-12)
    assert float((weight_grad * a["weight"]).sum()) == pytest.approx(form, rel=1e-12)


@everywhere
@every_pass
def test_a_nan_reaches_what_depends_on_it_and_nothing_else(device, which):
    shape = Shape(2, 7, 6, 4, 5, (3, 3), (2, 2), ((1, 0), (1, 1)))
    a = arrays(shape, lambda rng, size: rng.integers(1, 4, size).astype("float64"))
    source = a["dy" if which == "input_grad" else "x"]
    source[1, 2, 1, 3] = np.nan
    result = host(computed(which, shape, on(device, a), cut=Plan(WIDE, 2)))
    assert np.array_equal(np.isnan(result), np.isnan(expected(which, shape, a)))
    assert np.isnan(result).any() and not np.isnan(result).all()


@everywhere
@every_pass
def test_split_sums_repeat_bit_for_bit_and_leave_the_counters_zero(device, which):
    shape = SHAPES[0]
    a = on(device, arrays(shape, lambda rng, size: rng.standard_normal(size)))
    runs = [host(computed(which, shape, a, cut=Plan(SMALL, 18))) for _ in range(3)]
    assert np.array_equal(runs[0], runs[1]) and np.array_equal(runs[0], runs[2])
    if device == "cuda":
        computed(which, shape, a, cut=Plan(SMALL, 2))
        assert launches._made and not any(map(np.any, map(host, launches._made.values())))


@everywhere
@every_pass
def test_arrays_that_are_not_aligned(device, which):
    """An array may begin anywhere in a larger one: then the copies are narrow."""
    shape = SHAPES[0]
    a = arrays(shape)
    there = {}
    for name, array in on(device, a).items():
        buffer = backend.array_module(array).zeros(array.size + 1, "float32")
        buffer[1:] = array.ravel()
        there[name] = buffer[1:].reshape(array.shape)
    np.testing.assert_array_equal(host(computed(which, shape, there)), expected(which, shape, a))


def test_views_and_given_results():
    shape = SHAPES[0]
    a = arrays(shape)
    views = {name: np.asfortranarray(array.astype("float32")) for name, array in a.items()}
    for which in PASSES:
        np.testing.assert_array_equal(computed(which, shape, views), expected(which, shape, a))
    flat = np.full(a["weight"].size + 2, 7, "float32")  # as an optimiser's buffer of all gradients
    out = flat[1:-1].reshape(a["weight"].shape)
    assert tiled.conv2d_weight_grad(on("cpu", a)["x"], on("cpu", a)["dy"], shape.sizes, out) is out
    np.testing.assert_array_equal(out, expected("weight_grad", shape, a))
    assert flat[0] == flat[-1] == 7


@pytest.mark.parametrize(
    "x, weight, dy", [((2, 4, 4, 3), (3, 3, 2, 5), (2, 2, 2, 5)), ((2, 4, 4, 2), (3, 3, 2, 5), (1, 2, 2, 5))]
)
def test_sizes_that_do_not_fit_are_refused(x, weight, dy):
    """The kernels could only read beyond the arrays."""
    sizes = conv_sizes((2, 4, 4), weight, (1, 1), ((0, 0), (0, 0)))
    x, weight, dy = (np.ones(size, "float32") for size in (x, weight, dy))
    with pytest.raises(ValueError, match=r"got x \(2, 4, 4, .\), weight .* expected .*: \(N, H, W, C\)"):
        tiled.conv2d(x, weight, sizes)
        tiled.conv2d_weight_grad(x, dy, sizes)
    with pytest.raises(ValueError, match="got x .*, weight .*"):
        tiled.conv2d_input_grad(dy[:, :, :, 1:], weight, sizes)


def test_empty_batches():
    x, weight, dy = (np.ones(size, "float32") for size in [(0, 4, 4, 2), (3, 3, 2, 5), (0, 2, 2, 5)])
    sizes = conv_sizes((0, 4, 4), weight.shape, (1, 1), ((0, 0), (0, 0)))
    assert tiled.conv2d(x, weight, sizes).shape == dy.shape
    assert tiled.conv2d_input_grad(dy, weight, sizes).shape == x.shape
    assert not tiled.conv2d_weight_grad(x, dy, sizes).any()


def run_between_guard_pages() -> None:
    """Run every shape, pass and tile with all arrays, the result's included, between pages without access."""
    for at_end in (True, False):
        tiled.empty = functools.partial(empty_between_pages, at_end)
        for shape in SHAPES:
            a = arrays(shape)
            there = {name: between_pages(array.astype("float32"), at_end) for name, array in a.items()}
            for which in PASSES:
                for cut in CUTS[::2]:
                    print(at_end, shape, which, cut, flush=True)
                    np.testing.assert_array_equal(computed(which, shape, there, cut), expected(which, shape, a))


def test_no_byte_outside_is_touched():
    assert_survives(__file__, "run_between_guard_pages()")
