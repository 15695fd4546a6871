"""Convolutions for the tests of the GPU's kernels: shapes, whole-numbered arrays, every cut, expected values.

With small whole numbers every sum is exact, in any order and in every format down to bfloat16, so results must be
equal, not close: one wrong index anywhere shows. Expected values come from the float64 reference, which other tests
compare with plain loops and with PyTorch.

    SHAPES, CUTS, computed              of the tiled kernels (gpunet/backend/tiled.py)
    EIGHTS, MMA_CUTS, multiplied        of those on tensor cores (gpunet/backend/tensor_cores.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet import backend
from gpunet.backend import factors, tensor_cores, tiled
from gpunet.backend.conv import strided as strided_page
from gpunet.backend.sizes import Sizes, conv_sizes
from gpunet.backend.tiled import NARROW, SMALL, TALL, WIDE, Plan

PASSES = ("forward", "input_grad", "weight_grad")
TILES = (WIDE, TALL, SMALL, NARROW)
CUTS = [Plan(tile, splits) for tile in TILES for splits in (1, 3, 18)]  # 18: two levels of the tree that adds splits
PRECISIONS = ("tf32", "bf16", "fp16", "tf32x3")
MMA_TILES = (tensor_cores.HUGE, tensor_cores.WIDE, tensor_cores.TALL, tensor_cores.SMALL)
MMA_CUTS = [tensor_cores.Plan(tile, splits) for splits in (1, 2, 3, 5, 18) for tile in MMA_TILES]


CHANNELS_IN, CHANNELS_OUT = (1, 2, 3, 4, 5, 8, 12, 17), (1, 3, 4, 6, 8, 16, 19)  # of random shapes


class Shape(NamedTuple):
    """A convolution: N, H, W, C, F, kernel, stride, pads."""

    n: int
    h: int
    w: int
    c: int
    f: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pads: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    @property
    def sizes(self) -> Sizes:
        return conv_sizes((self.n, self.h, self.w), (*self.kernel, self.c, self.f), self.stride, self.pads)


SHAPES = [
    Shape(3, 10, 8, 12, 20, (4, 4), (2, 2), ((1, 1), (1, 1))),  # 16-byte copies; several tiles of every kind
    Shape(1, 9, 6, 32, 16, (3, 2), (2, 1), ((1, 1), (0, 1))),  # channels in whole tiles of 16 or 8
    Shape(2, 7, 5, 3, 5, (5, 3), (2, 3), ((2, 1), (0, 2))),  # 4-byte copies, uneven in every way
    Shape(1, 5, 4, 1, 1, (1, 1), (2, 2)),  # phases that no tap reaches
    Shape(2, 3, 2, 5, 6, (2, 2), (4, 5), ((1, 0), (0, 3))),  # a stride beyond the image and the kernel
    Shape(140, 2, 3, 2, 3, (2, 2), (3, 2), ((1, 0), (1, 1))),  # ... and several tiles of rows in each phase
    Shape(1, 6, 5, 8, 136, (2, 2)),  # more outputs than the widest tile
    Shape(1, 5, 6, 136, 4, (3, 2), (1, 2), ((0, 2), (1, 0))),  # more inputs than the widest tile
    Shape(1, 4, 3, 6, 130, (3, 3), (1, 1), ((1, 1), (1, 1))),  # ... and no multiple of 16 bytes
    Shape(70, 2, 3, 4, 7, (2, 3)),  # the kernel covers the image: a plain matrix product
    Shape(9, 1, 1, 33, 2, (1, 1)),  # Linear
    Shape(1, 8, 9, 5, 12, (17, 18), (2, 1), ((6, 5), (8, 7))),  # more taps than a mask of 16 bits has
    Shape(2, 6, 5, 48, 64, (3, 3), (2, 1), ((1, 1), (0, 1))),  # three and four tiles of channels
]

EIGHTS = [  # channels are multiples of 8; a tile holds 16 numbers of tf32 along K, or 32 of 16 bits
    Shape(3, 10, 8, 16, 24, (4, 4), (2, 2), ((1, 1), (1, 1))),  # the DCGAN's own geometry; a last tile half full
    Shape(1, 9, 6, 40, 16, (3, 2), (2, 1), ((1, 1), (0, 1))),  # tiles of channels: 2 1/2 of tf32, 1 1/4 of 16 bits
    Shape(2, 7, 5, 8, 72, (5, 3), (2, 3), ((2, 1), (0, 2))),  # uneven in every way
    Shape(1, 5, 4, 8, 8, (1, 1), (2, 2)),  # phases that no tap reaches
    Shape(2, 3, 2, 8, 8, (2, 2), (4, 5), ((1, 0), (0, 3))),  # a stride beyond the image and the kernel
    Shape(140, 2, 3, 8, 8, (2, 2), (3, 2), ((1, 0), (1, 1))),  # ... and several tiles of rows in each phase
    Shape(1, 6, 5, 8, 136, (2, 2)),  # more outputs than the largest tile
    Shape(1, 5, 6, 136, 8, (3, 2), (1, 2), ((0, 2), (1, 0))),  # more inputs than the largest tile
    Shape(70, 2, 3, 24, 8, (2, 3)),  # the kernel covers the image: a plain matrix product
    Shape(1, 4, 70, 16, 8, (3, 3), (1, 1), ((1, 1), (1, 1))),  # a line of more pixels than a tile takes along K
    Shape(9, 5, 5, 48, 32, (4, 4), (2, 2), ((1, 2), (2, 1))),  # sums over more tiles than shared memory holds
    # Two taps share a tile of pixels (kernels/conv2d_mma/strips.cuh):
    Shape(12, 6, 16, 8, 16, (4, 4), (2, 2), ((1, 1), (1, 1))),  # lines of 8 pixels
    Shape(31, 5, 7, 40, 8, (5, 5), (2, 2), ((2, 2), (2, 2))),  # 3 + 2 taps; an odd number of lines of 4 pixels
    Shape(2, 2, 300, 8, 16, (2, 3), (1, 1), ((0, 1), (1, 0))),  # a line longer than a tile; a pair and a single tap
    Shape(4, 7, 13, 16, 8, (3, 6), (1, 1), ((1, 1), (3, 2))),  # tiles that begin and end within a line of odd length
    Shape(13, 4, 17, 8, 8, (2, 6), (1, 3), ((1, 0), (2, 2))),  # stride 3
]


def random_shape(seed: int, c: Sequence[int] = CHANNELS_IN, f: Sequence[int] = CHANNELS_OUT) -> Shape:
    """Draw a convolution of some hundred outputs, with channels out of c and f."""
    rng = np.random.default_rng(seed)
    kernel, stride = rng.integers(1, 6, 2), rng.integers(1, 4, 2)
    pads = [[int(rng.integers(0, k)) for _ in range(2)] for k in kernel]
    sizes = [int(max(1, k - sum(p)) + rng.integers(0, 6)) for k, p in zip(kernel, pads, strict=True)]
    n, c, f = int(rng.integers(1, 4)), int(rng.choice(c)), int(rng.choice(f))
    return Shape(n, *sizes, c, f, tuple(map(int, kernel)), tuple(map(int, stride)), tuple(map(tuple, pads)))


def arrays(shape: Shape, draw: Any = None) -> dict[str, np.ndarray]:
    """Return x, weight, dy and biases in float64; whole numbers from -3 to 3 unless `draw`(rng, shape) gives others."""
    rng = np.random.default_rng(7)
    draw = draw or (lambda rng, size: rng.integers(-3, 4, size).astype("float64"))
    sizes = {
        "x": shape.sizes.x_shape,
        "weight": shape.sizes.weight_shape,
        "dy": shape.sizes.y_shape,
        "bias_f": (shape.f,),
        "bias_c": (shape.c,),
    }
    return {name: draw(rng, size) for name, size in sizes.items()}


def expected(which: str, shape: Shape, a: dict[str, np.ndarray]) -> np.ndarray:
    """Return what a pass of the convolution gives, by the reference in float64."""
    with backend.use("reference"):
        if which == "forward":
            return backend.conv2d(a["x"], a["weight"], shape.sizes, a["bias_f"])
        if which == "input_grad":
            return backend.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, a["bias_c"])
        return backend.conv2d_weight_grad(a["x"], a["dy"], shape.sizes)


def computed(which: str, shape: Shape, a: dict[str, Any], cut: Plan | None = None) -> Any:
    """Return the same by the tiled kernels, cut up as asked, on the device and in the dtype of the arrays."""
    if which == "forward":
        return tiled.conv2d(a["x"], a["weight"], shape.sizes, a["bias_f"], cut)
    if which == "input_grad":
        return tiled.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, a["bias_c"], cut)
    return tiled.conv2d_weight_grad(a["x"], a["dy"], shape.sizes, None, cut)


def rounded(a: dict[str, Any], precision: str) -> dict[str, Any]:
    """Return float32 arrays as `multiplied` takes them: factors of the tensor cores, and biases as they are."""
    return {name: v if name.startswith("bias") else factors.factor(v, precision) for name, v in a.items()}


def multiplied(
    which: str, shape: Shape, a: dict[str, Any], precision: str, cut: tensor_cores.Plan | None = None
) -> Any:
    """Return the same on tensor cores, of factors that are rounded already."""
    if which == "forward":
        return tensor_cores.conv2d(a["x"], a["weight"], shape.sizes, precision, a["bias_f"], cut=cut)
    if which == "input_grad":
        return tensor_cores.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, precision, a["bias_c"], cut=cut)
    return tensor_cores.conv2d_weight_grad(a["x"], a["dy"], shape.sizes, precision, cut=cut)


def strided(which: str, shape: Shape, a: dict[str, np.ndarray], bias: bool = True) -> np.ndarray:
    """Return the same by strided_conv.cpp, with or without biases."""
    of_f, of_c = (a["bias_f"], a["bias_c"]) if bias else (None, None)
    if which == "forward":
        return strided_page.conv2d(a["x"], a["weight"], shape.sizes, of_f)
    if which == "input_grad":
        return strided_page.conv2d_input_grad(a["dy"], a["weight"], shape.sizes, of_c)
    return strided_page.conv2d_weight_grad(a["x"], a["dy"], shape.sizes, None)


def on(device: str, a: dict[str, np.ndarray], dtype: str = "float32") -> dict[str, Any]:
    """Return the arrays on a device in a dtype."""
    return {name: backend.to_device(array.astype(dtype), device) for name, array in a.items()}
