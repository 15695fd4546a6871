"""Launching memory-bound kernels: the grid for each of their three shapes, and the memory for their results.

The shapes follow the helpers of kernels/common.cuh, whose constants stand here again:

    elements         for_elements        one thread per element
    rows_of_blocks   for_rows_of_block   one thread per channel of a row; it knows its channel without a division
    row_groups       for_rows            one thread per column and group of rows: for sums over rows

A sum that is begun and finished in one launch, on the GPU, has a grid of its own (kernels/device/block_sums.cuh):

    block_sums       BlockPart           one block per 32 columns and group of rows
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, on_cuda

ELEMENTS_PER_BLOCK = 1024
ROWS_ON_CPU = 16
ROWS_ON_CUDA = 8  # that a GPU thread takes which knows its channel
MOST_ROWS_ON_CUDA = 512  # rows that one GPU thread walks: few enough to leave work for all cores
BLOCK_THREADS, BLOCK_COLUMNS = 256, 32  # of a block that sums (kernels/device/block_sums.cuh)
BLOCKS_THAT_SUM = 256  # two for each multiprocessor of a large GPU; each leaves a part for the last one to add
ROWS_UNDER_WAY = 4  # a lane takes so many rows at least: it loads them at once
FINISH_ON_CUDA = 256  # partial results per channel that a last level may still add up: few enough for one thread
LINE = 64  # bytes that a CPU's cache holds together
PAGE = 4096  # bytes; smaller arrays are not worth aligning
SKEW = 80  # planes begin this many numbers beyond a multiple of 1024: five cache lines of float32

# ---- grids ----------------------------------------------------------------------------------------------------------


def elements(entry: str, args: Sequence[Any], count: int) -> None:
    """Launch an elementwise kernel over `count` elements; the first argument says on which machine."""
    if not count:
        return
    if count > 2**31 - ELEMENTS_PER_BLOCK:
        raise ValueError(f"kernel {entry}: got {count} elements, expected fewer than 2^31 - 1024: use smaller batches")
    grid = -(-count // ELEMENTS_PER_BLOCK)
    kernels.launch(entry, grid, element_threads(args[0]), args, whole=count % ELEMENTS_PER_BLOCK == 0)


def element_threads(array: Array) -> int:
    """Return how many threads share a block's elements on the machine that holds an array."""
    return ELEMENTS_PER_BLOCK // (4 if on_cuda(array) else 1)


def rows_of_blocks(entry: str, args: Sequence[Any], rows: int, channels: int, batches: int = 1) -> None:
    """Launch an elementwise kernel over (batches, rows, channels) whose threads each know their channel."""
    cuda = on_cuda(args[0])
    across = divisor(channels, cuda, 64)
    down = max(1, min(rows, (256 if cuda else 1024) // across))
    per_block = down * (ROWS_ON_CUDA if cuda else 1)
    grid = -(-rows // per_block), channels // across, batches
    kernels.launch(entry, grid, (across, down), args, whole=rows % per_block == 0)


def row_groups(entry: str, args: Sequence[Any], rows: int, width: int, rows_per_thread: int, batches: int = 1) -> None:
    """Launch a kernel over all columns of (batches, rows, width); a thread takes `rows_per_thread` rows of a column."""
    block = divisor(width, on_cuda(args[0]))
    grid = -(-rows // rows_per_thread), width // block, batches
    if grid[0] > 1 and rows_per_thread != ROWS_ON_CPU and not on_cuda(args[0]):
        raise ValueError(f"kernel {entry}: got {rows_per_thread} rows per thread, expected {ROWS_ON_CPU} on the CPU")
    kernels.launch(entry, grid, block, args, whole=rows_per_thread == ROWS_ON_CPU and rows % ROWS_ON_CPU == 0)


def per_channel(entry: str, args: tuple, count: int) -> None:
    """Launch one thread per channel."""
    block = 64 if on_cuda(args[0]) else 1024
    kernels.launch(entry, -(-count // block), block, args)


class BlockSums(NamedTuple):
    """A launch of whole blocks that sum over the rows of (batches, rows, width), and finish the sums (`block_sums`)."""

    grid: tuple[int, int, int]  # (groups of rows, groups of columns, batches)
    block: tuple[int, int]
    rows_per_block: int


def block_sums(arrays: Sequence[Array], rows: int, width: int, batches: int = 1) -> BlockSums:
    """Return the launch for arrays that hold (batches, rows, width) numbers each.

    A thread loads 16 bytes at once where every row of every array begins at a multiple of 16 bytes. The groups depend
    on the sizes alone, so that the sums are the same on every GPU. Example: 128 channels of 2 x 16384 rows make 4
    groups of columns and, in each batch, 32 groups of rows: 256 blocks, whose 32 lanes take 16 rows each.
    """
    wide = 16 // arrays[0].itemsize
    aligned = width % wide == 0 and all(address(array) % 16 == 0 for array in arrays)
    run = wide if aligned else 1
    lanes, across = BLOCK_THREADS * run // BLOCK_COLUMNS, -(-width // BLOCK_COLUMNS)
    each = max(ROWS_UNDER_WAY * lanes, -(-rows // max(1, BLOCKS_THAT_SUM // (across * batches))))
    each = -(-each // lanes) * lanes
    return BlockSums((-(-rows // each), across, batches), (BLOCK_COLUMNS // run, lanes), each)


def address(array: Array) -> int:
    """Return where the numbers of an array begin."""
    return array.data.ptr if on_cuda(array) else array.ctypes.data


def divisor(size: int, cuda: bool, most: int = 0) -> int:
    """Return the threads across a block for `size` neighbours: a divisor of size, so that no thread is left over.

    At most 1024; on the GPU at most 256 (or `most`) if that leaves a full warp.
    """
    small, large = largest_divisor(size, most or 256), largest_divisor(size, 1024)
    return small if cuda and (small >= 32 or small == large) else large


@functools.cache
def largest_divisor(size: int, most: int) -> int:
    """Return the largest number up to `most` that divides `size`."""
    return max(n for n in range(1, max(1, min(size, most)) + 1) if size % n == 0)


# ---- sums over rows -------------------------------------------------------------------------------------------------


@functools.cache
def rows_side_by_side(rows: int, channels: int) -> int:
    """Return k: (rows, channels) is best read as (rows / k, k * channels), k rows side by side.

    k is 1 unless the channels are few. 6000 rows of 3 channels are read as 375 rows of 48 numbers: k = 16.
    """
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


def at_once(array: Array) -> bool:
    """Return whether sums are finished in the launch that begins them: on the GPU, where every launch costs time.

    On the CPU, counting who has arrived would cost the SIMD loop (kernels/device/last_to_arrive.cuh).
    """
    return on_cuda(array)


def arrivals(like: Array, count: int, of: str = "parts") -> Array:
    """Return at least `count` int32 counters for device/last_to_arrive.cuh, all zero; every kernel leaves them zero.

    Launches that run one after another share them: those of a thread on the CPU, of a stream on a GPU. So each branch
    of a captured graph has its own. A launch that died half-way would leave numbers behind that make later sums wrong
    without a word; after an error of CUDA all counters are made anew.
    of: what is counted. Kernels that count in another way (pairs, in kernels/conv2d_mma/splits.cuh) have counters of
    their own.
    Raises RuntimeError where they would have to be made during a capture, in which nothing is set to zero.
    """
    if not on_cuda(like):
        return _arrivals(np, (threading.get_ident(), of), count)
    import cupy

    from gpunet.kernels.loader.cuda import errors

    stream = cupy.cuda.get_current_stream()
    key = cupy.cuda.runtime.getDevice(), stream.ptr, len(errors), of
    if stream.is_capturing() and (key not in _made or _made[key].size < count):
        raise RuntimeError(
            f"got the first launch on stream {stream.ptr:#x} that needs {count} counters, in a capture: run the same "
            "work on this stream once before it, and on the stream of every other branch"
        )
    return _arrivals(cupy, key, count)


def _arrivals(xp: Any, queue: tuple, count: int) -> Array:
    if queue not in _made or _made[queue].size < count:
        _made[queue] = xp.zeros(max(1024, 1 << (count - 1).bit_length()), "int32")
    return _made[queue]


_made: dict[tuple, Array] = {}  # (thread, what), or (device, stream, errors so far, what) -> its counters


# ---- memory ---------------------------------------------------------------------------------------------------------


def empty(like: Array, *shape: int, dtype: Any = None) -> Array:
    """Return a new array of this shape on the device, and with the dtype, of another.

    On the CPU it begins with a line of the cache, where NumPy aligns to 16 bytes: every vector would straddle two
    lines.
    """
    if on_cuda(like):
        return array_module(like).empty(shape, dtype or like.dtype)
    dtype = np.dtype(dtype or like.dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < PAGE:
        return np.empty(shape, dtype)
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def contiguous(array: Array) -> Array:
    """Return the array itself if it is C-contiguous, else a copy that is."""
    return array if array.flags.c_contiguous else array.copy(order="C")


def zeros(like: Array, *shape: int) -> Array:
    """Return a new array of zeros on the device, and with the dtype, of another."""
    array = empty(like, *shape)
    elements("arrays.fill", (array, array.size, 0.0), array.size)
    return array


def planes(like: Array, count: int, rows: int, columns: int) -> Array:
    """Return an empty stack of matrices (count, rows, columns) whose planes do not begin a power of two apart.

    A Winograd transform writes one number into each plane. Were the planes 2^k bytes apart, all these numbers would
    compete for the same few lines of a CPU's cache. `plane_buffer` gives the kernels the memory behind the stack.
    """
    size = rows * columns
    apart = size + (SKEW - size) % 1024
    return empty(like, count, apart)[:, :size].reshape(count, rows, columns)


def plane_buffer(array: Array) -> Array:
    """View an array of `planes` as (count, numbers from plane to plane), C-contiguous."""
    apart = array.strides[0] // array.itemsize
    shape, strides = (array.shape[0], apart), (array.strides[0], array.itemsize)
    return array_module(array).lib.stride_tricks.as_strided(array, shape, strides)
