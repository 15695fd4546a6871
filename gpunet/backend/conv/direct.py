"""The direct form of convolution: three sums, which serve Conv2d and ConvTranspose2d alike.

    y[n, i, j, f]    = sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
    dx               = the same sum read backwards: each x gets what it contributed to   (= a transposed convolution)
    dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]

A transposed convolution is the input gradient of a convolution (Dumoulin & Visin, "A guide to convolution
arithmetic", 2016, section 4): its forward is `conv2d_input_grad`, its input gradient is `conv2d`, its weight gradient
is `conv2d_weight_grad` with the roles of x and dy exchanged. Weights are (KH, KW, C, F) in all three.

The reference is im2col: a patch is a row, a filter a column, and the sum is one matrix product (docs/convolution.md
derives it). Images are taken in blocks whose patches stay in a core's cache. The kernels go one of the ways that
form.py chooses; for `im2col` these are the reference's own lines, whose unfold, fold and product are then kernels.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable

from gpunet.backend import tiled
from gpunet.backend.columns import add_bias
from gpunet.backend.conv import form, strided
from gpunet.backend.conv.patches import fold, unfold, windows
from gpunet.backend.devices import Array, array_module, device_of, operation, written
from gpunet.backend.launches import empty
from gpunet.backend.matmul import matmul_in_task
from gpunet.backend.sizes import Sizes
from gpunet.backend.threads import blocks, run

PATCHES = 384 * 1024  # numbers of im2col made at a time and thread: enough rows for BLAS, few enough for the cache
ROWS = 512  # patches, at least, so that BLAS's packing of the weights is paid off
GROUPS = 8  # partial sums of a weight gradient: enough for most CPUs, and the same on all of them


def image_blocks(n: int, sizes: Sizes, device: str) -> list[slice]:
    """Cut n images into groups whose patches suit BLAS and the cache; on a GPU one group holds all."""
    patch = sizes.kh * sizes.kw * sizes.c
    return blocks(n, sizes.oh * sizes.ow * patch, device, max(PATCHES, ROWS * patch))


@operation
def conv2d(x: Array, weight: Array, sizes: Sizes, bias: Array | None = None) -> Array:
    """Convolve x (N, H, W, C) with weight (KH, KW, C, F), add bias (F,): y (N, OH, OW, F)."""
    y = empty(x, len(x), sizes.oh, sizes.ow, sizes.f)
    matrix = weight.reshape(-1, sizes.f)  # (KH*KW*C, F)

    def convolve(images: slice) -> None:
        out = y[images].reshape(-1, sizes.f)  # (images*OH*OW, F)
        matmul_in_task(unfold(x[images], sizes), matrix, out)
        if bias is not None:
            out += bias

    run(convolve, image_blocks(len(x), sizes, device_of(x)))
    return y


@conv2d.kernel
def conv2d_kernel(x: Array, weight: Array, sizes: Sizes, bias: Array | None = None) -> Array:
    way = form.way(sizes, device_of(x), x.dtype)
    if way == "strided":
        return strided.conv2d(x, weight, sizes, bias)
    if way == "im2col":
        return conv2d.reference(x, weight, sizes, bias)
    return tiled.conv2d(x, weight, sizes, bias)


@operation
def conv2d_input_grad(dy: Array, weight: Array, sizes: Sizes, bias: Array | None = None) -> Array:
    """Send dy (N, OH, OW, F) back through a convolution to its input: dx (N, H, W, C).

    As the forward pass of a transposed convolution it adds bias (C,).
    """
    dx = empty(dy, len(dy), sizes.h, sizes.w, sizes.c)
    matrix = weight.reshape(-1, sizes.f).T  # (F, KH*KW*C)

    def send_back(images: slice) -> None:
        columns = matmul_in_task(dy[images].reshape(-1, sizes.f), matrix)  # (images*OH*OW, KH*KW*C)
        dx[images] = fold(columns, sizes)
        if bias is not None:
            dx[images] += bias

    run(send_back, image_blocks(len(dy), sizes, device_of(dy)))
    return dx


@conv2d_input_grad.kernel
def conv2d_input_grad_kernel(dy: Array, weight: Array, sizes: Sizes, bias: Array | None = None) -> Array:
    way = form.way(sizes, device_of(dy), dy.dtype)
    if way == "strided":
        return strided.conv2d_input_grad(dy, weight, sizes, bias)
    if way == "im2col":
        return conv2d_input_grad.reference(dy, weight, sizes, bias)
    if form.folds(sizes):
        columns = tiled.matmul(dy.reshape(-1, sizes.f), weight.reshape(-1, sizes.f).T)  # (N*OH*OW, KH*KW*C)
        dx = fold(columns, sizes)
        return dx if bias is None else add_bias(dx, bias)
    return tiled.conv2d_input_grad(dy, weight, sizes, bias)


@operation
def conv2d_weight_grad(x: Array, dy: Array, sizes: Sizes, out: Array | None = None) -> Array:
    """Return dweight (KH, KW, C, F), in `out` if given, from the input x (N, H, W, C) and dy (N, OH, OW, F).

    One product per kernel row: each needs only its own KW*C columns, and together they fill all cores.
    """
    dweight = empty(x, *sizes.weight_shape) if out is None else out
    view = windows(x, sizes)  # (N, OH, OW, KH, KW, C)

    def kernel_row(p: int) -> None:
        columns = view[:, :, :, p].reshape(-1, sizes.kw * sizes.c)  # (N*OH*OW, KW*C)
        array_module(x).matmul(columns.T, dy.reshape(-1, sizes.f), out=dweight[p].reshape(-1, sizes.f))

    run(kernel_row, range(sizes.kh), device_of(x))
    return dweight


@conv2d_weight_grad.kernel
def conv2d_weight_grad_kernel(x: Array, dy: Array, sizes: Sizes, out: Array | None = None) -> Array:
    way = form.way(sizes, device_of(x), x.dtype)
    if way == "strided":
        return strided.conv2d_weight_grad(x, dy, sizes, out)
    if way == "im2col":
        return _weight_grad_by_blocks(x, dy, sizes, out)
    return tiled.conv2d_weight_grad(x, dy, sizes, out)


def _weight_grad_by_blocks(x: Array, dy: Array, sizes: Sizes, out: Array | None) -> Array:
    """Return the same, adding up the products of blocks of images, whose patches stay in the cache.

    Blocks add up within GROUPS groups, one task each, and the groups' sums in order: the same bits on any machine.
    """
    cuts = image_blocks(len(x), sizes, device_of(x))

    def of_block(images: slice) -> Array:
        columns = unfold(x[images], sizes)  # (images*OH*OW, KH*KW*C)
        return matmul_in_task(columns.T, dy[images].reshape(-1, sizes.f))

    groups = min(GROUPS, len(cuts))
    shares = [cuts[len(cuts) * i // groups : len(cuts) * (i + 1) // groups] for i in range(groups)]
    total = _sum(run(lambda share: _sum(map(of_block, share)), shares))
    return written(total.reshape(sizes.weight_shape), out)


def _sum(arrays: Iterable[Array]) -> Array:
    """Add the arrays, one by one, into the first."""
    return functools.reduce(operator.iadd, arrays)
