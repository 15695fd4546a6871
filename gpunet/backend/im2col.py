"""Convolution as patches and one matrix product, our kernels moving the data: for the CPU's short lines of output.

The reference's algorithm (conv.py), in blocks of images whose patches stay in a core's cache. On the CPU the
products are our own or BLAS's, whichever is faster; on the GPU, where CuPy refuses cuBLAS while a graph is captured,
they are our own.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable

import numpy as np

from gpunet.backend.arrays import Array, device_of, written
from gpunet.backend.conv_choice import kernel_file
from gpunet.backend.parallel import blocks, run
from gpunet.backend.patches import Pads, Pair, output_size
from gpunet.kernels import conv2d as tiled
from gpunet.kernels import products as on_cpu
from gpunet.kernels.memory import empty
from gpunet.kernels.patches import fold, unfold

COLUMNS = 384 * 1024  # elements of im2col made at a time and thread: enough rows for BLAS, few enough for the cache
ROWS = 512  # ... but at least this many rows, so that BLAS's packing of the weights is paid off
WIDE, ROWS_FROM = 64, 16  # columns and rows from which on our own products are faster than BLAS
GROUPS = 8  # partial sums of a weight gradient: enough for most CPUs, and the same on all of them


def image_blocks(n: int, rows: int, row_size: int, device: str) -> list[slice]:
    """Cut n images of `rows` patches of `row_size` numbers into groups whose columns suit BLAS and the cache."""
    return blocks(n, rows * row_size, device, max(COLUMNS, ROWS * row_size))


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return the matrix product a b, in `out` if given."""
    device = device_of(a)
    if device == "cpu":
        if b.shape[1] < WIDE or a.shape[0] < ROWS_FROM:
            return np.matmul(a, b, out=out)
        out = empty(a, a.shape[0], b.shape[1]) if out is None else out
        on_cpu.products(a[None], b[None], out[None])
        return out
    return written(tiled.linear(kernel_file(device, a.dtype), a, b), out)


def conv2d(x: Array, weight: Array, stride: Pair, pads: Pads, bias: Array | None) -> Array:
    """Return y (N, OH, OW, F) of x (N, H, W, C), weight (KH, KW, C, F) and bias (F,)."""
    n, h, w, _ = x.shape
    kh, kw, c, f = weight.shape
    oh, ow = output_size(h, kh, stride[0], pads[0]), output_size(w, kw, stride[1], pads[1])
    y = empty(x, n, oh, ow, f)

    def convolve(images: slice) -> None:
        out = y[images].reshape(-1, f)  # (images*OH*OW, F)
        product(unfold(x[images], (kh, kw), stride, pads), weight.reshape(-1, f), out)
        if bias is not None:
            out += bias

    run(convolve, image_blocks(n, oh * ow, kh * kw * c, device_of(x)))
    return y


def conv2d_input_grad(dy: Array, weight: Array, hw: Pair, stride: Pair, pads: Pads, bias: Array | None) -> Array:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F), weight (KH, KW, C, F) and bias (C,)."""
    n, oh, ow, f = dy.shape
    kh, kw, c, _ = weight.shape
    dx = empty(dy, n, *hw, c)
    matrix = weight.reshape(-1, f).T  # (F, KH*KW*C)

    def send_back(images: slice) -> None:
        columns = product(dy[images].reshape(-1, f), matrix)  # (images*OH*OW, KH*KW*C)
        dx[images] = fold(columns.reshape(-1, oh, ow, kh, kw, c), hw, stride, pads)
        if bias is not None:
            dx[images] += bias

    run(send_back, image_blocks(n, oh * ow, kh * kw * c, device_of(dy)))
    return dx


def conv2d_weight_grad(x: Array, dy: Array, kernel: Pair, stride: Pair, pads: Pads, out: Array | None) -> Array:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F).

    Blocks of images add up within GROUPS groups, one task each, and the groups' sums in order: the same on any machine.
    """
    (n, oh, ow, f), c = dy.shape, x.shape[3]
    cuts = image_blocks(n, oh * ow, kernel[0] * kernel[1] * c, device_of(x))

    def of_block(images: slice) -> Array:
        columns = unfold(x[images], kernel, stride, pads)  # (images*OH*OW, KH*KW*C)
        return product(columns.T, dy[images].reshape(-1, f))

    groups = min(GROUPS, len(cuts))
    shares = [cuts[len(cuts) * i // groups : len(cuts) * (i + 1) // groups] for i in range(groups)]
    total = _sum(run(lambda share: _sum(map(of_block, share)), shares))
    return written(total.reshape(*kernel, c, f), out)


def _sum(arrays: Iterable[Array]) -> Array:
    """Add the arrays, one by one, into the first."""
    return functools.reduce(operator.iadd, arrays)
