"""Patches and their adjoint: the two data movements around the matrix product of a convolution (kernels/im2col.cu).

    unfold (im2col)   x (N, H, W, C)  ->  columns (N*OH*OW, KH*KW*C): each row is the patch of one output pixel
    fold (col2im)     columns  ->  dx (N, H, W, C): every number of a patch is added to the pixel it came from

Channels are last, so KW neighbouring pixels are one run of KW*C numbers in memory, and gathering a patch copies KH such
runs. Example: a 4x4 kernel over 3 channels has patches of 48 numbers, 4 runs of 12.
"""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.factors import DTYPES, Factor
from gpunet.backend.launches import contiguous, divisor, empty, largest_divisor, zeros
from gpunet.backend.sizes import Pair, Sizes


@operation
def unfold(x: Array, sizes: Sizes) -> Array:
    """Gather the patches of x (N, H, W, C), any number N of images, as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    view = windows(x, sizes)  # (N, OH, OW, KH, KW, C)
    return view.reshape(-1, sizes.kh * sizes.kw * sizes.c)  # windows overlap in memory: reshape makes the one copy


@unfold.kernel
def unfold_kernel(x: Array, sizes: Sizes) -> Array:
    return _unfold("im2col.unfold", x, sizes, x.dtype, 1)


def unfold_rounded(x: Array, sizes: Sizes, precision: str) -> Factor:
    """Gather the patches of x (N, H, W, C) as `unfold` does, rounded to a precision; KW*C is a multiple of 4."""
    if precision not in DTYPES:
        return Factor(_unfold("im2col.unfold", x, sizes, "float32", 1), precision)
    return Factor(_unfold(f"factors/factors_{precision}.unfold", x, sizes, DTYPES[precision], 4), precision)


def _unfold(entry: str, x: Array, sizes: Sizes, dtype: Any, each: int) -> Array:
    """Launch an unfold whose threads write `each` neighbours of a run of KW*C numbers."""
    x, g = contiguous(x), sizes
    run = g.kw * g.c
    columns = empty(x, len(x) * g.oh * g.ow, g.kh * run, dtype=dtype)
    if columns.size:
        across, down = _block(run // each, g.ow, on_cuda(x))
        grid = len(x) * g.oh * g.kh, run // each // across * (g.ow // down)
        args = (columns, x, g.h, g.w * g.c, g.c, g.oh, g.ow, g.kh, run, g.sh, g.sw, g.top, g.left)
        kernels.launch(entry, grid, (across, down), args)
    return columns


@operation
def fold(columns: Array, sizes: Sizes) -> Array:
    """Add patches (N*OH*OW, KH*KW*C) into the images dx (N, H, W, C) that they came from.

    Taps 0 to SH-1 of neighbouring patches do not overlap, nor do the next SH taps, and so on. So the padded image is
    seen as a grid of cells of SH x SW pixels, and each group of SH x SW taps lands in it by a single addition of runs
    of SW*C numbers: ceil(KH/SH) * ceil(KW/SW) additions instead of KH*KW. A 4x4 kernel with stride 2 takes 4, not 16.
    """
    xp, (_, h, w, c, oh, ow, _, kh, kw, sh, sw, top, left) = array_module(columns), sizes
    columns = columns.reshape(-1, oh, ow, kh, kw, c)
    rows = max(oh - 1 + -(-kh // sh), -(-(top + h) // sh))  # cells that patches or the image reach
    cols = max(ow - 1 + -(-kw // sw), -(-(left + w) // sw))
    cells = xp.zeros((len(columns), rows, sh, cols, sw, c), columns.dtype)
    for i in range(0, kh, sh):
        for j in range(0, kw, sw):
            taps = columns[:, :, :, i : i + sh, j : j + sw].transpose(0, 1, 3, 2, 4, 5)  # (N, OH, <=SH, OW, <=SW, C)
            cells[:, i // sh : i // sh + oh, : taps.shape[2], j // sw : j // sw + ow, : taps.shape[4]] += taps
    image = cells.reshape(-1, rows * sh, cols * sw, c)
    return image[:, top : top + h, left : left + w]


@fold.kernel
def fold_kernel(columns: Array, sizes: Sizes) -> Array:
    columns, g = contiguous(columns), sizes
    n = columns.size // (g.oh * g.ow * g.kh * g.kw * g.c)
    if not columns.size:
        return zeros(columns, n, g.h, g.w, g.c)
    x = empty(columns, n, g.h, g.w, g.c)
    taps = max(-(-g.kh // g.sh), -(-g.kw // g.sw))
    across, down = _block(g.c, g.w, on_cuda(x))
    args = (x, columns, g.h, g.w, g.c, g.oh, g.ow, g.kh, g.kw, g.sh, g.sw, g.top, g.left)
    entry = f"im2col.fold_{taps if taps <= 4 else 'any'}"
    kernels.launch(entry, (n * g.h, g.c // across * (g.w // down)), (across, down), args)
    return x


def windows(x: Array, sizes: Sizes) -> Array:
    """Return the windows of x (N, H, W, C), with zeros around it, as a view (N, OH, OW, KH, KW, C)."""
    _, _, _, c, oh, ow, _, kh, kw, sh, sw, top, left = sizes
    padded = framed(x, ((oh - 1) * sh + kh, (ow - 1) * sw + kw), (top, left))  # as far as the windows reach
    along_n, along_h, along_w, along_c = padded.strides
    strides = (along_n, along_h * sh, along_w * sw, along_h, along_w, along_c)
    return array_module(x).lib.stride_tricks.as_strided(padded, (len(x), oh, ow, kh, kw, c), strides)


def framed(x: Array, hw: Pair, top_left: Pair) -> Array:
    """Return x (N, H, W, C) with zeros around it, or cut, so that it is exactly hw pixels and begins at top_left.

    Where no zeros are needed, it is x itself, which may be larger than hw.
    """
    (height, width), (top, left) = hw, top_left
    if not (top or left) and height <= x.shape[1] and width <= x.shape[2]:
        return x
    padded = array_module(x).zeros((len(x), height, width, x.shape[3]), x.dtype)
    inside = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    inside[...] = x[:, : inside.shape[1], : inside.shape[2]]
    return padded


def _block(neighbours: int, pixels: int, cuda: bool) -> Pair:
    """Return the threads of a block along a run of neighbours and along the pixels of a line: divisors of both."""
    across = divisor(neighbours, cuda)
    most = (256 if cuda else 1024) // across
    return across, largest_divisor(pixels, most)
