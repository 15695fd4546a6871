"""Convolutions that read patches where they lie: every pass, any size, number for number, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from cases import EPS32, assert_close
from conv_shapes import PASSES, SHAPES, Shape, arrays, expected, on, random_shape, strided
from gpunet.backend.conv import strided as page
from gpunet.backend.sizes import conv_sizes

MORE = [
    Shape(3, 18, 40, 3, 64, (4, 4), (2, 2), ((1, 1), (1, 1))),  # a layer of images: whole tiles, and two rows left over
    Shape(19, 9, 9, 3, 80, (5, 5), (2, 2), ((2, 2), (2, 2))),  # more images than partial sums; a tile and a vector
    Shape(2, 6, 7, 11, 33, (3, 3), (1, 1), ((0, 3), (3, 0))),  # zeros on one side alone
    Shape(1, 4, 30, 20, 17, (2, 5), (1, 3), ((1, 0), (7, 9))),  # more zeros than the kernel is wide: patches of zeros
    Shape(2, 9, 9, 2, 6, (3, 3), (4, 4), ((0, 0), (0, 0))),  # pixels that no patch holds
]
every_pass = pytest.mark.parametrize("which", PASSES)


@every_pass
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [*SHAPES, *MORE, *map(random_shape, range(20, 40))], ids=str)
def test_equals_the_reference(shape, dtype, which):
    a = arrays(shape)
    result = strided(which, shape, on("cpu", a, dtype))
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected(which, shape, a))
    a["bias_f"], a["bias_c"] = (np.zeros_like(a[name]) for name in ("bias_f", "bias_c"))
    np.testing.assert_array_equal(strided(which, shape, on("cpu", a, dtype), bias=False), expected(which, shape, a))


@every_pass
def test_rounding_is_that_of_float32_and_does_not_depend_on_threads(which, monkeypatch):
    shape = MORE[1]
    a = arrays(shape, lambda rng, size: rng.standard_normal(size))
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(page, "workers", lambda threads=threads: threads)
        results.append(strided(which, shape, on("cpu", a)))
    assert all(np.array_equal(result, results[0]) for result in results)
    assert_close(results[0], expected(which, shape, a), 8 * EPS32)


@every_pass
def test_nan_stays_in_its_image(which):
    shape = MORE[0]
    a = on("cpu", arrays(shape))
    a["x"][1], a["dy"][1] = np.nan, np.nan
    result = strided(which, shape, a)
    if which == "weight_grad":
        assert np.isnan(result).all()
    else:
        assert np.isnan(result[1]).any() and np.isfinite(result[[0, 2]]).all()


def test_no_image_has_no_gradient():
    dweight = np.ones((3, 3, 2, 5), "float32")
    x, dy = np.empty((0, 8, 8, 2), "float32"), np.empty((0, 6, 6, 5), "float32")
    page.conv2d_weight_grad(x, dy, conv_sizes((0, 8, 8), dweight.shape, (1, 1), ((0, 0), (0, 0))), dweight)
    assert not dweight.any()


def test_misuse():
    x, weight = np.ones((1, 5, 5, 2), "float32"), np.ones((3, 3, 2, 4), "float32")
    sizes = conv_sizes((1, 5, 5), weight.shape, (1, 1), ((0, 0), (0, 0)))
    with pytest.raises(ValueError, match=r"got x \(1, 5, 5, 3\), weight \(3, 3, 2, 4\)"):
        page.conv2d(np.ones((1, 5, 5, 3), "float32"), weight, sizes, None)
    with pytest.raises(ValueError, match="got float32, float32, float64, None, expected one dtype"):
        page.conv2d(x, weight.astype("float64"), sizes, None)
    with pytest.raises(ValueError, match="expected a C-contiguous result"):
        out = np.empty((4, 2, 3, 3), "float32").T
        page.conv2d_weight_grad(x, np.ones((1, 3, 3, 4), "float32"), sizes, out)
