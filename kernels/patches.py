"""Launches of im2col.cu: the patches of a convolution as the rows of a matrix, and the adjoint of that."""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.kernels.conv_sizes import Pads, Pair, output_size
from gpunet.kernels.launches import contiguous, divisor, empty, largest_divisor, on_cuda, zeros


def unfold(x: Any, kernel: Pair, stride: Pair, pads: Pads) -> Any:
    """im2col: gather the patches of x (N, H, W, C) as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    x = contiguous(x)
    n, h, w, c = x.shape
    oh, ow = output_size((h, w), kernel, stride, pads)
    run = kernel[1] * c
    columns = empty(x, n * oh * ow, kernel[0] * run)
    if columns.size:
        across, down = _block(run, ow, on_cuda(x))
        grid = n * oh * kernel[0], run // across * (ow // down)
        sizes = (h, w * c, c, oh, ow, kernel[0], run, *stride, pads[0][0], pads[1][0])
        kernels.launch("im2col.unfold", grid, (across, down), (columns, x, *sizes))
    return columns


def fold(columns: Any, hw: Pair, stride: Pair, pads: Pads) -> Any:
    """col2im, the adjoint of `unfold`: add patches (N, OH, OW, KH, KW, C) into the images (N, H, W, C) they are of."""
    n, oh, ow, kh, kw, c = columns.shape
    (h, w), columns = hw, contiguous(columns)
    if not columns.size:
        return zeros(columns, n, h, w, c)
    x = empty(columns, n, h, w, c)
    taps = max(-(-k // s) for k, s in zip((kh, kw), stride, strict=True))
    across, down = _block(c, w, on_cuda(x))
    sizes = (h, w, c, oh, ow, kh, kw, *stride, pads[0][0], pads[1][0])
    entry = f"im2col.fold_{taps if taps <= 4 else 'any'}"
    kernels.launch(entry, (n * h, c // across * (w // down)), (across, down), (x, columns, *sizes))
    return x


def _block(neighbours: int, pixels: int, cuda: bool) -> Pair:
    """Return the threads of a block along a run of neighbours and along the pixels of a line: divisors of both."""
    across = divisor(neighbours, cuda)
    most = (256 if cuda else 1024) // across
    return across, largest_divisor(pixels, most)
