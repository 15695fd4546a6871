"""Patches (im2col) and their adjoint against their definition in plain loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from gpunet.backend import to_device, to_numpy
from gpunet.backend.conv.patches import fold, unfold
from gpunet.backend.sizes import conv_sizes

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
# n, h, w, c, kernel, stride, pads: each number of taps per stride, 1 to 4 and more; pads that no window needs; size 1
GEOMETRIES = [
    (1, 1, 1, 1, (1, 1), (1, 1), ((0, 0), (0, 0))),
    (2, 6, 8, 3, (4, 4), (2, 2), ((1, 1), (1, 1))),
    (1, 7, 5, 2, (5, 3), (2, 1), ((2, 1), (1, 0))),
    (2, 9, 7, 5, (2, 2), (3, 3), ((0, 0), (0, 0))),
    (1, 5, 5, 33, (5, 5), (2, 2), ((1, 2), (1, 2))),
    (3, 4, 4, 2, (4, 4), (1, 1), ((0, 0), (0, 0))),
    (1, 6, 7, 2, (4, 3), (1, 1), ((3, 3), (2, 2))),
    (2, 3, 3, 1, (4, 4), (5, 5), ((3, 3), (2, 2))),
    (1, 8, 7, 3, (7, 5), (1, 1), ((3, 3), (2, 2))),
    (1, 2, 67, 1, (1, 3), (1, 2), ((0, 0), (1, 1))),
    (1, 3, 3, 300, (2, 2), (1, 1), ((0, 0), (0, 0))),
]
everywhere = [
    pytest.mark.parametrize("device", DEVICES),
    pytest.mark.parametrize("geometry", GEOMETRIES, ids=str),
]
pytestmark = everywhere


def taps(geometry):
    """Yield (position in the columns, position in x) of every tap that lies inside its image."""
    n, h, w, _, (kh, kw), (sh, sw), ((top, bottom), (left, right)) = geometry
    oh, ow = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    for image, i, j, p, q in itertools.product(range(n), range(oh), range(ow), range(kh), range(kw)):
        y, x = i * sh + p - top, j * sw + q - left
        if 0 <= y < h and 0 <= x < w:
            yield (image, i, j, p, q), (image, y, x)


def columns_shape(geometry):
    n, h, w, c, (kh, kw), (sh, sw), ((top, bottom), (left, right)) = geometry
    return n, (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1, kh, kw, c


def sizes_of(geometry):
    n, h, w, c, kernel, stride, pads = geometry
    return conv_sizes((n, h, w), (*kernel, c, 1), stride, pads)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unfold(geometry, device, dtype):
    n, h, w, c, *_ = geometry
    x = np.random.default_rng(0).standard_normal((n, h, w, c)).astype(dtype)
    x[0, 0, 0, 0] = np.nan
    expected = np.zeros(columns_shape(geometry), dtype)
    for column, pixel in taps(geometry):
        expected[column] = x[pixel]
    got = to_numpy(unfold.kernels(to_device(x, device), sizes_of(geometry)))
    assert got.shape == (np.prod(expected.shape[:3]), np.prod(expected.shape[3:]))
    assert np.array_equal(got, expected.reshape(got.shape), equal_nan=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fold(geometry, device, dtype):
    n, h, w, c, *_ = geometry
    columns = np.random.default_rng(0).standard_normal(columns_shape(geometry)).astype(dtype)
    expected = np.zeros((n, h, w, c))
    for column, pixel in taps(geometry):
        expected[pixel] += columns[column]
    got = to_numpy(fold.kernels(to_device(columns, device), sizes_of(geometry)))
    assert got.dtype == dtype and got.shape == expected.shape
    assert np.abs(got - expected).max() <= 4 * np.finfo(dtype).eps * max(np.abs(expected).max(), 1)


def test_a_nan_stays_where_it_belongs(geometry, device):
    n, h, w, c, *_ = geometry
    columns = np.ones(columns_shape(geometry), "float32")
    columns.reshape(-1)[0] = np.nan  # the number that fold reads, and drops, where a tap does not exist
    expected = np.zeros((n, h, w, c), bool)
    for column, pixel in taps(geometry):
        expected[pixel] |= np.isnan(columns[column])
    got = to_numpy(fold.kernels(to_device(columns, device), sizes_of(geometry)))
    assert np.array_equal(np.isnan(got), expected)
