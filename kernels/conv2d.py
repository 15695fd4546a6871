"""Launches of conv2d*.cu: convolution without a matrix of patches, in one launch per pass.

All three passes are one matrix product out (M, N) = sum over K (conv_passes.cuh says which). `stem` names the file;
they differ in how they multiply: conv2d in full precision, conv2d_tf32, conv2d_bf16 and conv2d_fp16 on tensor cores.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

import kernels
from kernels.conv_plan import BLOCKS, Plan, plan
from kernels.launches import contiguous, empty, on_cuda

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]

NO_PADS = (0, 0), (0, 0)
COUNTERS = 2 * BLOCKS  # one for each split and level of the tree that adds them up (conv_product.cuh)


class Conv(NamedTuple):
    """The sizes that every kernel takes, in the kernels' order; pads at the top and left."""

    n: int
    h: int
    w: int
    c: int
    oh: int
    ow: int
    f: int
    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int


def conv2d(stem: str, x: Any, weight: Any, stride: Pair, pads: Pads, bias: Any = None, cut: Plan | None = None) -> Any:
    """Return y (N, OH, OW, F) of x (N, H, W, C) and weight (KH, KW, C, F), plus bias (F,)."""
    sizes = zip(x.shape[1:3], weight.shape[:2], stride, pads, strict=True)
    oh, ow = ((size + sum(p) - k) // s + 1 for size, k, s, p in sizes)
    y = empty(x, x.shape[0], oh, ow, weight.shape[3])
    g = _conv(x, weight, y, stride, pads)
    m, k = g.n * g.oh * g.ow, g.kh * g.kw * g.c
    _launch(f"{stem}.conv2d_forward", cut or plan(m, g.f, k), m, g.f, 1, [y, x, weight, bias], g)
    return y


def conv2d_input_grad(
    stem: str, dy: Any, weight: Any, hw: Pair, stride: Pair, pads: Pads, bias: Any = None, cut: Plan | None = None
) -> Any:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F) and weight (KH, KW, C, F), plus bias (C,)."""
    dx = empty(dy, dy.shape[0], *hw, weight.shape[2])
    g = _conv(dx, weight, dy, stride, pads)
    phases = min(g.sh, g.h) * min(g.sw, g.w)  # pixels by their row and column modulo the stride
    m, k = g.n * -(-g.h // g.sh) * -(-g.w // g.sw), -(-g.kh // g.sh) * -(-g.kw // g.sw) * g.f
    if bias is not None and g.c != bias.size:  # every pixel of an image has become a column
        bias = bias[None].repeat(g.c // bias.size, axis=0).ravel()
    _launch(f"{stem}.conv2d_input_grad", cut or plan(m, g.c, k, phases), m, g.c, phases, [dx, dy, weight, bias], g)
    return dx


def conv2d_weight_grad(
    stem: str, x: Any, dy: Any, kernel: Pair, stride: Pair, pads: Pads, out: Any = None, cut: Plan | None = None
) -> Any:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F)."""
    dweight = empty(x, *kernel, x.shape[3], dy.shape[3]) if out is None else out
    g = _conv(x, dweight, dy, stride, pads)
    m, k = g.kh * g.kw * g.c, g.n * g.oh * g.ow
    _launch(f"{stem}.conv2d_weight_grad", cut or plan(m, g.f, k), m, g.f, 1, [dweight, x, dy], g)
    return dweight


def linear(stem: str, x: Any, weight: Any, bias: Any = None) -> Any:
    """Return y = x weight + bias, (N, F_in) by (F_in, F_out): the convolution of images of one pixel."""
    return conv2d(stem, x[:, None, None], weight[None, None], (1, 1), NO_PADS, bias)[:, 0, 0]


def linear_input_grad(stem: str, dy: Any, weight: Any) -> Any:
    """Return dx = dy weight^T."""
    return conv2d_input_grad(stem, dy[:, None, None], weight[None, None], (1, 1), (1, 1), NO_PADS)[:, 0, 0]


def linear_weight_grad(stem: str, x: Any, dy: Any, out: Any = None) -> Any:
    """Return dweight = x^T dy, in `out` if given."""
    out = None if out is None else out[None, None]
    return conv2d_weight_grad(stem, x[:, None, None], dy[:, None, None], (1, 1), (1, 1), NO_PADS, out)[0, 0]


def _conv(x: Any, weight: Any, y: Any, stride: Pair, pads: Pads) -> Conv:
    """Return the sizes of a convolution. ValueError: they do not fit each other, or the kernels' 32-bit indices."""
    (n, h, w, c), (kh, kw, _, f), (_, oh, ow, _) = x.shape, weight.shape, y.shape
    (top, bottom), (left, right), (sh, sw) = *pads, stride
    fits = (h + top + bottom - kh) // sh + 1 >= oh and (w + left + right - kw) // sw + 1 >= ow
    if weight.shape[2] != c or y.shape[3] != f or y.shape[0] != n or not fits:
        raise ValueError(
            f"got x {x.shape}, weight {weight.shape} and y {y.shape}, expected (N, H, W, C), (KH, KW, C, F) and "
            f"(N, OH, OW, F) of a convolution with stride {stride} and padding {pads}"
        )
    if max(x.size, weight.size, y.size) >= 2**31:
        raise ValueError(
            f"got arrays of {x.size}, {weight.size}, {y.size} numbers, expected < 2^31: use smaller batches"
        )
    if (kh, kw, oh, ow) == (h, w, 1, 1) and not (top or left):  # one patch, the whole image: a plain matrix product
        return Conv(n, 1, 1, h * w * c, 1, 1, f, 1, 1, 1, 1, 0, 0)
    return Conv(n, h, w, c, oh, ow, f, kh, kw, sh, sw, top, left)


def _launch(entry: str, cut: Plan, m: int, n: int, phases: int, arrays: list[Any], sizes: Conv) -> None:
    """Start a kernel; the first of the arrays is the result (`phases` times M, N)."""
    out = arrays[0]
    if not out.size:
        return
    grid = cut.tile.grid(m, n, phases)
    blocks, parts, counters = grid[0] * grid[1] * cut.splits, None, None
    if cut.splits > 1:
        parts = empty(out, blocks * cut.tile.rows * cut.tile.columns)
        counters = _counters(on_cuda(out), blocks)
    inputs = [None if array is None else contiguous(array) for array in arrays[1:]]
    arguments = [out, *inputs, parts, counters, *sizes, cut.splits]
    kernels.launch(f"{entry}_{cut.tile.name}", (*grid, cut.splits), cut.tile.threads, arguments)


def _counters(cuda: bool, blocks: int) -> Any:
    """Return zeros for a launch, which leaves them zero: on the GPU the same ones for all launches of a stream."""
    if not cuda:
        return np.zeros(3 * blocks, np.int32)
    import cupy

    stream = cupy.cuda.get_current_stream()
    if blocks > BLOCKS:  # only where a test asks for more splits than `plan` would
        return cupy.zeros(3 * blocks, np.int32)
    key = cupy.cuda.runtime.getDevice(), stream.ptr
    if key not in _stream_counters:
        if stream.is_capturing():
            raise RuntimeError(
                "a convolution's first launch on this stream is being captured: run the step once before"
            )
        _stream_counters[key] = cupy.zeros(COUNTERS, np.int32)
    return _stream_counters[key]


_stream_counters: dict[tuple[int, int], Any] = {}
