"""Convolution in three functions, which serve Conv2d and ConvTranspose2d alike.

    y[n, i, j, f]    = sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
    dx               = the same sum read backwards: what each x contributed to          (= a transposed convolution)
    dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]

A transposed convolution is the input gradient of a convolution (Dumoulin & Visin, "A guide to convolution
arithmetic", 2016, section 4): its forward is `conv2d_input_grad`, its input gradient is `conv2d`, its weight gradient
is `conv2d_weight_grad` with the roles of x and dy exchanged. Weights are (KH, KW, C, F) in all three.

The reference is im2col + one matrix product: a patch is a row, a filter a column. docs/convolution.md derives it. Which
algorithm the kernels take is chosen in conv_choice.py.
"""

from __future__ import annotations

from typing import Any

from gpunet.backend import im2col
from gpunet.backend.arrays import Array, array_module, device_of, operation
from gpunet.backend.conv_choice import algorithm, kernel_file
from gpunet.backend.im2col import image_blocks
from gpunet.backend.parallel import run
from gpunet.backend.patches import Pads, Pair, fold, output_size, pad, unfold, windows
from gpunet.kernels import conv2d as tiled
from gpunet.kernels import strided_conv


@operation
def conv2d(x: Array, weight: Array, stride: Pair, pads: Pads, bias: Array | None = None) -> Array:
    """Convolve x (N, H, W, C) with weight (KH, KW, C, F), add bias (F,): y (N, OH, OW, F)."""
    n, h, w, _ = x.shape
    kh, kw, c, f = weight.shape
    oh, ow = output_size(h, kh, stride[0], pads[0]), output_size(w, kw, stride[1], pads[1])
    y = array_module(x).empty((n, oh, ow, f), x.dtype)
    matrix = weight.reshape(-1, f)  # (KH*KW*C, F)

    def convolve(images: slice) -> None:
        out = y[images].reshape(-1, f)  # (images*OH*OW, F)
        array_module(x).matmul(unfold(x[images], (kh, kw), stride, pads), matrix, out=out)
        if bias is not None:
            out += bias

    run(convolve, image_blocks(n, oh * ow, kh * kw * c, device_of(x)))
    return y


@conv2d.kernel
def _(x: Array, weight: Array, stride: Pair, pads: Pads, bias: Array | None = None) -> Array:
    line = output_size(x.shape[2], weight.shape[1], stride[1], pads[1])
    if patches := _of_patches(x, line):
        return patches.conv2d(x, weight, stride, pads, bias)
    return tiled.conv2d(kernel_file(device_of(x), x.dtype), x, weight, stride, pads, bias)


@operation
def conv2d_input_grad(dy: Array, weight: Array, hw: Pair, stride: Pair, pads: Pads, bias: Array | None = None) -> Array:
    """Send dy (N, OH, OW, F) back through a convolution to its input of size hw = (H, W): dx (N, H, W, C).

    As the forward pass of a transposed convolution it adds bias (C,).
    """
    n, oh, ow, f = dy.shape
    kh, kw, c, _ = weight.shape
    dx = array_module(dy).empty((n, *hw, c), dy.dtype)
    matrix = weight.reshape(-1, f).T  # (F, KH*KW*C)

    def send_back(images: slice) -> None:
        columns = dy[images].reshape(-1, f) @ matrix  # (images*OH*OW, KH*KW*C)
        dx[images] = fold(columns.reshape(-1, oh, ow, kh, kw, c), hw, stride, pads)
        if bias is not None:
            dx[images] += bias

    run(send_back, image_blocks(n, oh * ow, kh * kw * c, device_of(dy)))
    return dx


@conv2d_input_grad.kernel
def _(dy: Array, weight: Array, hw: Pair, stride: Pair, pads: Pads, bias: Array | None = None) -> Array:
    if patches := _of_patches(dy, dy.shape[2]):
        return patches.conv2d_input_grad(dy, weight, hw, stride, pads, bias)
    return tiled.conv2d_input_grad(kernel_file(device_of(dy), dy.dtype), dy, weight, hw, stride, pads, bias)


@operation
def conv2d_weight_grad(x: Array, dy: Array, kernel: Pair, stride: Pair, pads: Pads, out: Array | None = None) -> Array:
    """Return dweight (KH, KW, C, F), in `out` if given, from the input x (N, H, W, C) and dy (N, OH, OW, F).

    One product per kernel row: each needs only its own KW*C columns, and together they fill all cores.
    """
    (kh, kw), c, (_, oh, ow, f) = kernel, x.shape[3], dy.shape
    xp = array_module(x)
    dweight = xp.empty((kh, kw, c, f), x.dtype) if out is None else out
    view = windows(pad(x, pads), kernel, stride)[:, :oh, :ow]  # (N, OH, OW, KH, KW, C)

    def kernel_row(p: int) -> None:
        columns = view[:, :, :, p].reshape(-1, kw * c)  # (N*OH*OW, KW*C)
        xp.matmul(columns.T, dy.reshape(-1, f), out=dweight[p].reshape(-1, f))

    run(kernel_row, range(kh))
    return dweight


@conv2d_weight_grad.kernel
def _(x: Array, dy: Array, kernel: Pair, stride: Pair, pads: Pads, out: Array | None = None) -> Array:
    if patches := _of_patches(x, dy.shape[2]):
        return patches.conv2d_weight_grad(x, dy, kernel, stride, pads, out)
    return tiled.conv2d_weight_grad(kernel_file(device_of(x), x.dtype), x, dy, kernel, stride, pads, out)


def _of_patches(array: Array, line: int) -> Any:
    """Return the module that multiplies patches as chosen, None where our tiled kernels do; line: see `algorithm`."""
    return {"im2col": im2col, "strided": strided_conv}.get(algorithm(device_of(array), array.dtype, line))
