"""Grids for the two shapes of memory-bound kernel: one thread per element, or one per column and few rows.

They follow the two helpers of common.cuh, for_elements and for_rows, whose constants stand here again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.kernels.memory import contiguous, empty, on_cuda

ELEMENTS_PER_BLOCK = 1024
ROWS_ON_CPU = 16
MOST_ROWS_ON_CUDA = 512  # rows that one GPU thread walks: few enough to leave work for all cores
FINISH_ON_CUDA = 256  # partial results per channel that a last level may still add up: few enough for one thread


def elements(entry: str, args: Sequence[Any], count: int) -> None:
    """Launch an elementwise kernel over `count` elements; the first argument says on which machine."""
    if not count:
        return
    if count > 2**31 - ELEMENTS_PER_BLOCK:
        raise ValueError(f"kernel {entry}: got {count} elements, expected fewer than 2^31 - 1024: use smaller batches")
    grid, block = -(-count // ELEMENTS_PER_BLOCK), ELEMENTS_PER_BLOCK // (4 if on_cuda(args[0]) else 1)
    kernels.launch(entry, grid, block, args, whole=count % ELEMENTS_PER_BLOCK == 0)


def columns(entry: str, args: Sequence[Any], rows: int, width: int, rows_per_thread: int, batches: int = 1) -> None:
    """Launch a kernel over all columns of (batches, rows, width), `rows_per_thread` rows of a column a thread."""
    block = divisor(width, on_cuda(args[0]))
    grid = -(-rows // rows_per_thread), width // block, batches
    if grid[0] > 1 and rows_per_thread != ROWS_ON_CPU and not on_cuda(args[0]):
        raise ValueError(f"kernel {entry}: got {rows_per_thread} rows per thread, expected {ROWS_ON_CPU} on the CPU")
    kernels.launch(entry, grid, block, args, whole=rows_per_thread == ROWS_ON_CPU and rows % ROWS_ON_CPU == 0)


def rows_of_blocks(entry: str, args: Sequence[Any], rows: int, channels: int, batches: int = 1) -> None:
    """Launch an elementwise kernel over (batches, rows, channels) whose threads each know their channel."""
    cuda = on_cuda(args[0])
    across = divisor(channels, cuda, 64)
    down = max(1, min(rows, (256 if cuda else 1024) // across))
    per_block = down * (4 if cuda else 1)
    grid = -(-rows // per_block), channels // across, batches
    kernels.launch(entry, grid, (across, down), args, whole=rows % per_block == 0)


def divisor(size: int, cuda: bool, most: int = 0) -> int:
    """Return the threads across a block for `size` neighbours: a divisor of it, so that no thread is left over.

    At most 1024; on the GPU at most 256 (or `most`) if that leaves a full warp.
    """
    small, large = largest_divisor(size, most or 256), largest_divisor(size, 1024)
    return small if cuda and (small >= 32 or small == large) else large


@functools.cache
def largest_divisor(size: int, most: int) -> int:
    """Return the largest number up to `most` that divides `size`."""
    return max(n for n in range(1, max(1, min(size, most)) + 1) if size % n == 0)


@functools.cache
def folding(rows: int, channels: int) -> int:
    """Return k such that (rows, channels) is best seen as (rows / k, k * channels): 1 unless the channels are few."""
    k = 1
    while k * channels < 64 and rows % (2 * k) == 0:
        k *= 2
    return k


def rows_per_thread(rows: int, k: int, cuda: bool) -> int:
    """Return how many of `rows` rows a thread of a reduction takes; k parts of every row remain to be added at last."""
    if not cuda:
        return ROWS_ON_CPU
    return rows if few_enough(rows * k, cuda) else min(max(32, -(-rows * k // FINISH_ON_CUDA)), MOST_ROWS_ON_CUDA)


def few_enough(parts: int, cuda: bool) -> bool:
    """Return whether one thread may add so many partial results: then the last level follows."""
    return parts <= (FINISH_ON_CUDA if cuda else ROWS_ON_CPU)


def at_once(array: Any) -> bool:
    """Return whether sums are finished in the launch that begins them: on the GPU, where a launch has its price.

    On the CPU the counting of the threads would cost the SIMD loop (see last_to_arrive.cuh).
    """
    return on_cuda(array)


def arrivals(like: Any, count: int) -> Any:
    """Return at least so many int32 counters for `last_to_arrive`, zero: every kernel leaves them so."""
    size = max(1024, 1 << (count - 1).bit_length())
    if not on_cuda(like):
        return _arrivals(np, threading.get_ident(), size)
    import cupy

    return _arrivals(cupy, (cupy.cuda.runtime.getDevice(), cupy.cuda.get_current_stream().ptr), size)


@functools.cache
def _arrivals(xp: Any, queue: Any, size: int) -> Any:
    """One array for all launches of a thread or a stream, which run one after another."""
    return xp.zeros(size, "int32")


def zeros(like: Any, *shape: int) -> Any:
    """Return a new array of zeros on the machine, and with the dtype, of another."""
    array = empty(like, *shape)
    elements("arrays.fill", (array, array.size, 0.0), array.size)
    return array


def unary(entry: str, x: Any, *scalars: float) -> Any:
    """Return y, a new array, of an elementwise kernel (y, x, count, scalars...)."""
    x = contiguous(x)
    y = empty(x, *x.shape)
    elements(entry, (y, x, x.size, *scalars), x.size)
    return y


def backward(entry: str, dy: Any, y: Any, *scalars: float) -> Any:
    """Return dx, written into dy, of an elementwise kernel (dx, dy, y, count, scalars...)."""
    if dy.shape != y.shape:
        raise ValueError(f"kernel {entry}: got dy of shape {dy.shape}, expected {y.shape}, that of y")
    dy, y = contiguous(dy), contiguous(y)
    elements(entry, (dy, dy, y, y.size, *scalars), y.size)
    return dy
