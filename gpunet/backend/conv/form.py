"""Which form a convolution takes: the one place where that is chosen, from its sizes, its device and the user's choice.

`convolution` (gpunet/backend/conv/__init__.py) asks in this order; the first that fits is taken:

    rounded   GPU: products on tensor cores, whose factors are rounded before; channels are multiples of 8
    cells     GPU: the same of pictures, which have few channels, in cells of stride x stride pixels
    patches   GPU: the same of patches gathered in memory, where the image has few channels and the stride is 1
    inner     GPU: inner products of rounded factors, where the kernel is as large as the image and has one filter
    whole     the kernel is as large as the image: a linear layer between flat arrays
    winograd  fewer multiplications in tiles of m x m outputs, where kernel and stride allow it
    direct    every product of the sum; `way` then says how these are computed

and a direct convolution (direct.py) goes one of these ways:

    strided   CPU: patches are read where they lie in the image          where a line of the output is long
    im2col    CPU: patches are gathered into a matrix, one product       where lines are short
    tiled     GPU: our tiled kernels, on the CUDA cores
    folded    GPU: the input gradient as one product and a fold          where the image has few channels

A choice of the user's (gpunet/backend/choices.py) comes before these rules.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gpunet.backend import choices, inner_products, tensor_cores, tiled
from gpunet.backend.conv import of_cells
from gpunet.backend.conv.tiles import fewer_taps
from gpunet.backend.factors import DTYPES
from gpunet.backend.sizes import Pair, Sizes

TAPS = 2, 3  # per axis, that Winograd's kernels are compiled for: k3 and k4, or k5 and k6, at stride 2
NARROW = 16  # channels; with fewer, the transforms would cost more than the products
LOAD = 64  # multiplications in the time that a number takes from or to memory, by measurement
LONG = 8  # pixels in a line of the output, from which on `strided` fills its tiles


def covers_image(sizes: Sizes) -> bool:
    """Return whether the kernel is as large as the image, and stands at one place only."""
    return (sizes.kh, sizes.kw) == (sizes.h, sizes.w) and (sizes.oh, sizes.ow, sizes.top, sizes.left) == (1, 1, 0, 0)


class Pictures(NamedTuple):
    """How a convolution of few channels runs on tensor cores."""

    cells: bool  # else patches
    precision: str


def pictures(weight: tuple[int, ...], stride: Pair, device: str, dtype: Any) -> Pictures | None:
    """Return how pictures of few channels are convolved on tensor cores, None where they are not.

    Cells hold each number once, patches KH KW / (SH SW) times. Bytes that move for dcgan64's 64 pictures of G, in MB:

                                               16 bits: patches   cells      tf32: patches   cells
        forward: written and read                          12.6     4.5               25.2     6.7
        weight gradient: x, dy from L2, at most        6.3 + 8.4   8.9 + 8.4   12.6 + 16.8  13.4 + 16.8
        input gradient: dy from L2, the sums twice    8.4 + 25.2  17.8 + 8.9   16.8 + 25.2  35.7 + 6.7

    In cells an input gradient reads dy from L2 twice, once for each pair of its 4 taps, but its sums, which are written
    and read again, are pictures with a frame of zeros and not patches. So all passes take cells. Patches remain where
    the stride is 1: a cell would be one pixel, padded to 16 bytes, most of it zeros.
    """
    kh, kw, c, f = weight
    precision = choices.rounding(device, dtype) if c <= tiled.NARROW.columns else None
    if precision and of_cells.takes(weight, stride, precision):
        return Pictures(True, precision)
    patches = precision and kw * c % 4 == 0 and tensor_cores.takes((1, 1, kh * kw * c, f))
    return Pictures(False, str(precision)) if patches else None


def inner_rounding(weight: tuple[int, ...], device: str, dtype: Any) -> str | None:
    """Return the same for inner products (inner_products.py), of an image that is as large as the kernel."""
    precision = choices.rounding(device, dtype) if inner_products.takes(weight) else None
    return precision if precision in DTYPES else None


def rounding(weight: tuple[int, ...], device: str, dtype: Any) -> str | None:
    """Return how factors are rounded for tensor cores, a name of choices.PRECISIONS, None where they are not used.

    weight: the shape (KH, KW, C, F).
    """
    return choices.rounding(device, dtype) if tensor_cores.takes(weight) else None


def winograd_tile(sizes: Sizes, device: str) -> int:
    """Return m of the Winograd form with tiles of m x m outputs that a convolution takes, 0 for the direct form.

    There is such a form where kernel and stride are square and the kernel has 2 or 3 taps per axis in cells of
    stride x stride pixels. `auto` takes the form with the least work: its multiplications, and for every number that a
    product reads or writes the time of LOAD multiplications. On a GPU `auto` is direct, for tensor cores.
    """
    g, wanted = sizes, choices.form()
    taps = -(-g.kh // g.sh)
    if wanted == "direct" or g.kh != g.kw or g.sh != g.sw or taps not in TAPS:
        return 0
    if wanted != "auto":
        return int(wanted[-1])
    if device == "cuda" or min(g.c, g.f) < NARROW:
        return 0
    work = {0: _work(1.0, g.n * g.oh * g.ow, g.kh * g.kw * g.c, g.f)}
    for m in (2, 4):
        tiles = g.n * math.prod(-(-size // m) for size in (g.oh, g.ow))
        points = m + taps - 1 - fewer_taps(g.kh, g.sh) / 2  # on an axis, on average over its phases
        work[m] = _work(points**2, tiles, g.sh**2 * g.c, g.f)
    return min(work, key=work.__getitem__)


def _work(products: float, m: int, k: int, n: int) -> float:
    """Return the work of matrix products (M, K) by (K, N), counted in multiplications."""
    return products * (m * k * n + LOAD * (m * k + k * n + m * n))


def way(sizes: Sizes, device: str, dtype: Any) -> str:
    """Return how the kernels compute a direct convolution: "strided", "im2col" or "tiled".

    Raises RuntimeError where the device cannot do what was chosen.
    """
    wanted = choices.product(device, dtype) or ("strided" if sizes.ow >= LONG else "im2col")
    return "tiled" if wanted == "mma" else wanted  # the sizes are not for tensor cores: full precision


def folds(sizes: Sizes) -> bool:
    """Return whether a tiled input gradient had better be one product, of patches of all taps, and a fold of them.

    The kernel without patches reads each number of dy once per tap, for a tile of columns that is mostly unused where
    C is 3. The fold reads dy once, and writes and reads taps * C numbers for the F numbers of an output pixel.
    """
    taps = sizes.kh * sizes.kw
    return sizes.c <= tiled.NARROW.columns and taps * sizes.f > 2 * (sizes.f + 2 * taps * sizes.c)
