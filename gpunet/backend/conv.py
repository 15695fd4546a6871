"""Convolution in three functions, which serve Conv2d and ConvTranspose2d alike.

    y[n, i, j, f]    = sum over p, q, c of  x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]
    dx               = the same sum read backwards: what each x contributed to          (= a transposed convolution)
    dweight[p,q,c,f] = sum over n, i, j of  x[n, i*SH + p - top, j*SW + q - left, c] * dy[n, i, j, f]

A transposed convolution is the input gradient of a convolution (Dumoulin & Visin, "A guide to convolution
arithmetic", 2016, section 4): its forward is `conv2d_input_grad`, its input gradient is `conv2d`, its weight gradient
is `conv2d_weight_grad` with the roles of x and dy exchanged. Weights are (KH, KW, C, F) in all three.

The reference is im2col + one matrix product: a patch is a row, a filter a column. docs/convolution.md derives it.
"""

from __future__ import annotations

from gpunet.backend.arrays import Array, array_module, device_of, operation
from gpunet.backend.parallel import blocks, run
from gpunet.backend.patches import Pads, Pair, fold, output_size, pad, unfold, windows

COLUMNS = 384 * 1024  # elements of im2col made at a time and thread: enough rows for BLAS, few enough for the cache
ROWS = 512  # ... but at least this many rows, so that BLAS's packing of the weights is paid off


def image_blocks(n: int, rows: int, row_size: int, device: str) -> list[slice]:
    """Cut n images of `rows` patches of `row_size` numbers into groups whose columns suit BLAS and the cache."""
    return blocks(n, rows * row_size, device, max(COLUMNS, ROWS * row_size))


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
