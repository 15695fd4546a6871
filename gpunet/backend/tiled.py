"""Our tiled CUDA kernels for convolutions and matrix products: launches of kernels/conv2d/.

All three passes of a convolution are one matrix product, out (M, N) = sum over K of left (M, K) right (K, N), whose
factors are never gathered in memory (kernels/conv2d/passes.cuh says where their numbers lie). A block of threads
computes one tile of the result; where that gives too few blocks, the sum over K is split, and its parts are added in
a tree. A matrix product is the convolution of images of one pixel.

They multiply in full precision, on the CUDA cores; tensor_cores.py is for tensor cores.
"""

from __future__ import annotations

import functools
from typing import Any

from gpunet import kernels
from gpunet.backend.columns import add_bias
from gpunet.backend.cuts import Plan, Tile, phases_of
from gpunet.backend.devices import Array, written
from gpunet.backend.launches import arrivals, contiguous, empty
from gpunet.backend.sizes import Sizes, require_fit

BLOCKS = 128  # occupy a large GPU: about one for each multiprocessor
ENOUGH = 16  # with fewer blocks than this the next smaller tile is taken

# ---- how a product is cut into tiles and splits ---------------------------------------------------------------------


# The tiles of kernels/conv2d/entries.cuh.
WIDE, TALL = Tile("wide", 128, 128, 256), Tile("tall", 128, 64, 128)
SMALL, NARROW = Tile("small", 64, 64, 128), Tile("narrow", 128, 8, 128)


@functools.cache
def plan(m: int, n: int, k: int, phases: int = 1) -> Plan:
    """Return the cut for `phases` products (M, N) over K: the largest tile that still gives work to enough blocks.

    It depends on the sizes alone, so the numbers that come out are the same on every GPU. A tile of R x C reads
    M N K (1/R + 1/C) numbers of the factors: large tiles spare the memory, many blocks fill the GPU.
    """
    tile = NARROW if n <= NARROW.columns else WIDE if n > TALL.columns else TALL
    splits = _splits(tile, m, n, k, phases)
    down, across = tile.grid(m, n, phases)
    if tile is not NARROW and (m <= SMALL.rows or down * across * splits < ENOUGH):
        tile, splits = SMALL, _splits(SMALL, m, n, k, phases)
    return Plan(tile, splits)


def _splits(tile: Tile, m: int, n: int, k: int, phases: int) -> int:
    """Return into how many ranges the sum over K is cut: until there are BLOCKS blocks.

    No range is so short that writing and reading its part of the sum would cost a quarter of reading the factors.
    """
    down, across = tile.grid(m, n, phases)
    shortest = 8 * tile.rows * tile.columns // (tile.rows + tile.columns)
    return max(1, min(BLOCKS // max(1, down * across), k // shortest))


# ---- the three passes -----------------------------------------------------------------------------------------------
# `cut` is for tests: the plan that is usual is chosen by itself.


def conv2d(
    x: Array, weight: Array, g: Sizes, bias: Array | None = None, cut: Plan | None = None
) -> Array:
    """Return y (N, OH, OW, F) of x (N, H, W, C) and weight (KH, KW, C, F), plus bias (F,)."""
    y = empty(x, *g.y_shape)
    require_fit(g, x, weight, y)
    m, k = g.n * g.oh * g.ow, g.kh * g.kw * g.c
    _launch("conv2d_forward", cut or plan(m, g.f, k), m, g.f, 1, [y, x, weight, bias], g)
    return y


def conv2d_input_grad(
    dy: Array, weight: Array, g: Sizes, bias: Array | None = None, cut: Plan | None = None
) -> Array:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F) and weight (KH, KW, C, F), plus bias (C,)."""
    dx = empty(dy, *g.x_shape)
    require_fit(g, dx, weight, dy)
    phases, m, taps = phases_of(g)
    _launch("conv2d_input_grad", cut or plan(m, g.c, taps * g.f, phases), m, g.c, phases, [dx, dy, weight, bias], g)
    return dx


def conv2d_weight_grad(
    x: Array, dy: Array, g: Sizes, out: Array | None = None, cut: Plan | None = None
) -> Array:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F)."""
    dweight = empty(x, *g.weight_shape) if out is None else out
    require_fit(g, x, dweight, dy)
    m, k = g.kh * g.kw * g.c, g.n * g.oh * g.ow
    _launch("conv2d_weight_grad", cut or plan(m, g.f, k), m, g.f, 1, [dweight, x, dy], g)
    return dweight


def matmul(a: Array, b: Array, out: Array | None = None, bias: Array | None = None) -> Array:
    """Return a b + bias, in `out` if given: a (M, K), b (K, N), bias (N,).

    A factor that is a transposed view is read as it lies in memory, by the pass that wants it so:

        conv2d               x weight
        conv2d_input_grad    dy weight^T
        conv2d_weight_grad   x^T dy
    """
    (m, k), n = a.shape, b.shape[1]
    if a.strides[1] > a.itemsize:
        into = None if out is None else out[None, None]
        y = conv2d_weight_grad(_pixels(a.T), _pixels(b), _of_pixels(k, m, n), into)[0, 0]
        y = y if out is None else out  # the very array that was given, so that an optimiser knows its buffer again
        return y if bias is None else add_bias(y, bias)
    if b.strides[1] > b.itemsize:
        y = conv2d_input_grad(_pixels(a), b.T[None, None], _of_pixels(m, n, k), bias)
    else:
        y = conv2d(_pixels(a), b[None, None], _of_pixels(m, k, n), bias)
    return written(y[:, 0, 0], out)


def _pixels(a: Array) -> Array:
    """View the rows of a (N, C) as images of one pixel: (N, 1, 1, C)."""
    return a[:, None, None]


def _of_pixels(n: int, c: int, f: int) -> Sizes:
    """Return the sizes of a 1x1 convolution of n images of one pixel, from c channels to f."""
    return Sizes(n, 1, 1, c, 1, 1, f, 1, 1, 1, 1, 0, 0)


# ---- launching ------------------------------------------------------------------------------------------------------


def _launch(entry: str, cut: Plan, m: int, n: int, phases: int, arrays: list[Any], sizes: Sizes) -> None:
    """Start a kernel; the first of the arrays is the result (`phases` times M, N)."""
    out = arrays[0]
    if not out.size:
        return
    grid = cut.tile.grid(m, n, phases)
    blocks, parts, counters = grid[0] * grid[1] * cut.splits, None, None
    if cut.splits > 1:
        parts = empty(out, blocks * cut.tile.rows * cut.tile.columns)
        counters = arrivals(out, 3 * blocks)  # for each split and level of the tree that adds them
    inputs = [None if array is None else contiguous(array) for array in arrays[1:]]
    arguments = [out, *inputs, parts, counters, *sizes, cut.splits]
    kernels.launch(f"conv2d/conv2d.{entry}_{cut.tile.name}", (*grid, cut.splits), cut.tile.threads, arguments)
