"""The tiled convolution kernels touch no byte outside their arrays; wrong results show in test_kernels_conv.py."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from conv_shapes import CUTS, PASSES, SHAPES, arrays, computed, expected
from gpunet.backend import tiled
from guarded import assert_survives, between_pages, empty_between_pages


def run_all(stem: str) -> None:
    """Run every shape, pass and tile with all arrays, the result's included, between pages without access."""
    for at_end in (True, False):
        tiled.empty = functools.partial(empty_between_pages, at_end)
        for shape in SHAPES:
            a = arrays(shape)
            there = {name: between_pages(array.astype("float32"), at_end) for name, array in a.items()}
            for which in PASSES:
                for cut in CUTS[::2]:
                    print(at_end, shape, which, cut, flush=True)
                    np.testing.assert_array_equal(computed(which, shape, there, stem, cut), expected(which, shape, a))


@pytest.mark.parametrize("stem", ["conv2d/conv2d", "conv2d/conv2d_tf32"])
def test_no_byte_outside_is_touched(stem):
    assert_survives(__file__, f"run_all({stem!r})")
