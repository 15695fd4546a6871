"""products.cpp and strided_conv.cpp touch no byte outside their arrays, though they load whole vectors.

The sizes lie around those of the tiles: 6 rows, and one, two or four vectors of 2 to 16 numbers. Values are compared,
too.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from conv_shapes import PASSES, Shape, arrays, expected, strided
from gpunet.backend.conv import strided as strided_page
from gpunet.backend.matmul import launch_products
from guard_pages import assert_survives, between_pages, empty_between_pages

ROWS, DEPTHS, COLUMNS = (1, 5, 6, 17, 63, 65), (1, 5, 16, 17, 63, 64, 65, 129), (1, 5, 16, 17, 32, 63, 64, 65)
CHANNELS, FILTERS = (1, 5, 17), (*COLUMNS, 80)
GEOMETRIES = {  # kernel, stride, pads
    "without zeros": ((3, 2), (1, 1), ((0, 0), (0, 0))),
    "with zeros": ((4, 4), (2, 2), ((1, 1), (1, 1))),
    "zeros on one side": ((3, 3), (1, 1), ((0, 3), (3, 0))),
    "patches of zeros": ((2, 5), (1, 3), ((1, 0), (7, 9))),
    "pixels between patches": ((3, 3), (4, 4), ((0, 0), (0, 0))),
}


def factor(rng, dtype, at_end, turned, *shape):
    """Two planes of small whole numbers, whose sums are exact, between guard pages. `turned`: a transposed view."""
    drawn = rng.integers(-3, 4, (2, *(shape[::-1] if turned else shape))).astype(dtype)
    planes = between_pages(drawn, at_end)
    return planes.transpose(0, 2, 1) if turned else planes


def run_products(dtype: str, at_end: bool) -> None:
    """Multiply factors of all these sizes, each as it is and transposed."""
    rng, turned = np.random.default_rng(0), (False, True)
    for m, k, n, *turns in itertools.product(ROWS, DEPTHS, COLUMNS, turned, turned):
        a, b = factor(rng, dtype, at_end, turns[0], m, k), factor(rng, dtype, at_end, turns[1], k, n)
        out = empty_between_pages(at_end, a, 2, m, n)
        print(f"m {m}, k {k}, n {n}, transposed {turns}", flush=True)
        launch_products(a, b, out)
        np.testing.assert_array_equal(out, np.einsum("pmk,pkn->pmn", a, b))


def run_convolutions(dtype: str, at_end: bool) -> None:
    """Make the three passes of convolutions of all these geometries and channels, with biases and without."""
    strided_page.empty = functools.partial(empty_between_pages, at_end)
    for (name, geometry), c, f, bias in itertools.product(GEOMETRIES.items(), CHANNELS, FILTERS, (True, False)):
        shape = Shape(2, 7, 9, c, f, *geometry)
        exact = arrays(shape)
        exact |= {} if bias else {"bias_c": np.zeros(c), "bias_f": np.zeros(f)}
        a = {key: between_pages(array.astype(dtype), at_end) for key, array in exact.items()}
        for which in PASSES:
            print(f"{name}, {which}, bias {bias}, {shape}", flush=True)
            np.testing.assert_array_equal(strided(which, shape, a, bias), expected(which, shape, exact))


@pytest.mark.parametrize("what", [run_products, run_convolutions], ids=["products", "convolutions"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("at_end", [True, False], ids=["before a page", "behind a page"])
def test_no_byte_outside_is_touched(what, dtype, at_end):
    assert_survives(__file__, f"{what.__name__}({dtype!r}, {at_end})")
