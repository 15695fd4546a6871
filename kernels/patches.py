"""Launches of im2col.cu: the patches of a convolution as the rows of a matrix, and the adjoint of that."""

from __future__ import annotations

from typing import Any

import kernels
from kernels.launches import block_columns, contiguous, empty, on_cuda

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def unfold(x: Any, kernel: Pair, stride: Pair, pads: Pads) -> Any:
    """im2col: gather the patches of x (N, H, W, C) as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    x = contiguous(x)
    n, h, w, c = x.shape
    oh, ow = ((size + sum(p) - k) // s + 1 for size, k, s, p in zip((h, w), kernel, stride, pads, strict=True))
    run = kernel[1] * c
    columns = empty(x, n * oh * ow, kernel[0] * run)
    if columns.size:
        across = block_columns(run, on_cuda(x))
        down = min(ow, max(1, (256 if on_cuda(x) else 1024) // across))
        grid = n * oh, run // across * -(-ow // down), kernel[0]
        sizes = (h, w * c, c, oh, ow, run, *stride, pads[0][0], pads[1][0])
        kernels.launch("im2col.unfold", grid, (across, down), (columns, x, *sizes))
    return columns


def fold(columns: Any, hw: Pair, stride: Pair, pads: Pads) -> Any:
    """col2im, the adjoint of `unfold`: add patches (N, OH, OW, KH, KW, C) into the images (N, H, W, C) they are of."""
    n, oh, ow, kh, kw, c = columns.shape
    (h, w), columns = hw, contiguous(columns)
    if w * c + pads[1][0] >= 2**22:
        raise ValueError(f"fold: got lines of {w} x {c} numbers, expected fewer than 2^22: use narrower images")
    x = empty(columns, n, h, w, c)
    if x.size:
        across = block_columns(w * c, on_cuda(x))
        sizes = (h, w * c, c, oh, ow, kh, kw, *stride, pads[0][0], pads[1][0])
        kernels.launch("im2col.fold", (n * h, w * c // across), across, (x, columns, *sizes))
    return x
