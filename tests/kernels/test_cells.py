"""Pictures as cells: where each number lies, exact sums of whole numbers, bounds, and the bytes that are moved."""

from __future__ import annotations

import numpy as np
import pytest

from cases import host
from conv_shapes import PASSES, PRECISIONS, Shape, arrays, expected, on, random_shape
from gpunet import backend, kernels
from gpunet.backend import cells, tensor_cores
from gpunet.backend.conv import of_cells
from gpunet.backend.conv.of_cells import RoundedCells
from gpunet.backend.cuts import Plan
from gpunet.backend.factors import factor

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", PRECISIONS)
every_pass = pytest.mark.parametrize("which", PASSES)
SHAPES = [
    Shape(2, 8, 10, 3, 16, (4, 4), (2, 2), ((1, 1), (1, 1))),  # the DCGAN's own geometry
    Shape(2, 9, 7, 3, 8, (5, 5), (2, 2), ((1, 2), (2, 1))),  # 5 taps: the last cell is half empty
    Shape(3, 7, 6, 1, 24, (4, 4), (2, 2), ((1, 2), (1, 1))),  # one channel, an odd size
    Shape(1, 6, 8, 4, 72, (4, 4), (2, 2), ((1, 1), (1, 1))),  # more outputs than a tile has columns
    Shape(2, 8, 9, 2, 8, (3, 2), (2, 3), ((0, 1), (1, 0))),  # pixels that no output sees
    Shape(1, 6, 7, 3, 8, (2, 4), (1, 2), ((1, 0), (1, 1))),  # cells of one line
    Shape(2, 5, 5, 4, 8, (1, 1), (2, 2)),  # a kernel smaller than a cell
    Shape(5, 16, 16, 3, 8, (4, 4), (2, 2), ((1, 1), (1, 1))),  # several tiles of every kind
]
FIVE = Shape(2, 6, 9, 5, 8, (4, 5), (2, 2), ((1, 1), (2, 2)))  # 5 channels: cells of 16 bits alone are small enough


def convolved(which, shape, device, precision, a):
    """Return what a pass gives for float32 arrays on a device."""
    there = on(device, a)
    conv = RoundedCells(there["weight"], shape.sizes, precision)
    if which == "forward":
        return conv.output(conv.input_form(there["x"]), there["bias_f"])
    if which == "input_grad":
        return conv.input_grad(conv.output_form(there["dy"]), there["bias_c"])
    return conv.weight_grad(conv.input_form(there["x"]), conv.output_form(there["dy"]))


@everywhere
@every_format
@every_pass
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers_are_exact(device, precision, shape, which):
    a = arrays(shape)
    np.testing.assert_array_equal(host(convolved(which, shape, device, precision, a)), expected(which, shape, a))


@every_pass
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_five_channels_are_exact_in_16_bits(precision, which):
    a = arrays(FIVE)
    np.testing.assert_array_equal(convolved(which, FIVE, "cpu", precision, a), expected(which, FIVE, a))
    assert not of_cells.takes(FIVE.sizes.weight_shape, FIVE.stride, "tf32")


@every_format
@every_pass
@pytest.mark.parametrize("seed", range(20))
def test_random_shapes_are_exact(precision, seed, which):
    shape = random_shape(seed, (1, 2, 3, 4), (8, 16, 24))
    if not of_cells.takes(shape.sizes.weight_shape, shape.stride, precision):
        pytest.skip("cells of one pixel, or too large")
    a = arrays(shape)
    np.testing.assert_array_equal(convolved(which, shape, "cpu", precision, a), expected(which, shape, a))
