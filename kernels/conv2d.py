"""Launches of conv2d*.cu: convolution without a matrix of patches, in one launch per pass (but see _folded).

All three passes are one matrix product out (M, N) = sum over K (conv2d/passes.cuh says which). `stem` names the file;
they differ in how they multiply: conv2d in full precision, conv2d_tf32, conv2d_bf16 and conv2d_fp16 on tensor cores.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.kernels.conv_plan import BLOCKS, Plan, folding_reads_less, plan
from gpunet.kernels.conv_sizes import Conv, Pads, Pair, output_size, sizes_of
from gpunet.kernels.launches import contiguous, empty, on_cuda
from gpunet.kernels.patches import fold
from gpunet.kernels.sums import add_bias

NO_PADS = (0, 0), (0, 0)
COUNTERS = 2 * BLOCKS  # one for each split and level of the tree that adds them up (conv2d/product.cuh)


def conv2d(stem: str, x: Any, weight: Any, stride: Pair, pads: Pads, bias: Any = None, cut: Plan | None = None) -> Any:
    """Return y (N, OH, OW, F) of x (N, H, W, C) and weight (KH, KW, C, F), plus bias (F,)."""
    y = empty(x, x.shape[0], *output_size(x.shape[1:3], weight.shape[:2], stride, pads), weight.shape[3])
    g = sizes_of(x, weight, y, stride, pads)
    m, k = g.n * g.oh * g.ow, g.kh * g.kw * g.c
    _launch(f"{stem}.conv2d_forward", cut or plan(m, g.f, k), m, g.f, 1, [y, x, weight, bias], g)
    return y


def conv2d_input_grad(
    stem: str, dy: Any, weight: Any, hw: Pair, stride: Pair, pads: Pads, bias: Any = None, cut: Plan | None = None
) -> Any:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F) and weight (KH, KW, C, F), plus bias (C,)."""
    dx = empty(dy, dy.shape[0], *hw, weight.shape[2])
    g = sizes_of(dx, weight, dy, stride, pads)
    if cut is None and folding_reads_less(g.kh * g.kw, g.c, g.f):
        return _folded(stem, dy, weight, hw, stride, pads, bias)
    phases = min(g.sh, g.h) * min(g.sw, g.w)  # pixels by their row and column modulo the stride
    m, k = g.n * -(-g.h // g.sh) * -(-g.w // g.sw), -(-g.kh // g.sh) * -(-g.kw // g.sw) * g.f
    if bias is not None and g.c != bias.size:  # every pixel of an image has become a column
        bias = bias[None].repeat(g.c // bias.size, axis=0).ravel()
    _launch(f"{stem}.conv2d_input_grad", cut or plan(m, g.c, k, phases), m, g.c, phases, [dx, dy, weight, bias], g)
    return dx


def _folded(stem: str, dy: Any, weight: Any, hw: Pair, stride: Pair, pads: Pads, bias: Any) -> Any:
    """Return the same for few channels (images), by a product and a fold."""
    columns = linear_input_grad(stem, dy.reshape(-1, dy.shape[3]), weight.reshape(-1, dy.shape[3]))
    dx = fold(columns.reshape(*dy.shape[:3], *weight.shape[:3]), hw, stride, pads)
    return dx if bias is None else add_bias(dx, bias)


def conv2d_weight_grad(
    stem: str, x: Any, dy: Any, kernel: Pair, stride: Pair, pads: Pads, out: Any = None, cut: Plan | None = None
) -> Any:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F)."""
    dweight = empty(x, *kernel, x.shape[3], dy.shape[3]) if out is None else out
    g = sizes_of(x, dweight, dy, stride, pads)
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
    into = None if out is None else out[None, None]
    dweight = conv2d_weight_grad(stem, x[:, None, None], dy[:, None, None], (1, 1), (1, 1), NO_PADS, into)[0, 0]
    return dweight if out is None else out  # the very array, so that the optimiser knows its buffer again


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
