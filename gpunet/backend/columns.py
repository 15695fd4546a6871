"""Sums over rows, which are the gradients of biases, and the bias itself (kernels/columns.cu).

    sum[c] = sum over rows of x[row, c],      y[row, c] += bias[c]

On the CPU the kernels add level by level: groups of rows, then groups of these sums, until one row remains. On the GPU
whole blocks add groups of rows, and the last block adds the groups. Either way results repeat bit for bit, and are more
accurate than a running sum.
"""

from __future__ import annotations

import math

from gpunet import kernels
from gpunet.backend.devices import Array, on_cuda, operation, written
from gpunet.backend.factors import Factor, file_of, real
from gpunet.backend.launches import (
    arrivals,
    at_once,
    block_sums,
    contiguous,
    empty,
    few_enough,
    row_groups,
    rows_of_blocks,
    rows_per_thread,
    rows_side_by_side,
    zeros,
)
from gpunet.backend.threads import column_sums, row_sum


@operation
def column_sum(dy: Array, out: Array | None = None) -> Array:
    """Return the sum of dy (..., C) over all axes but the last, in `out` if given: a bias's gradient (C,).

    The kernels also take a Factor of 16 bits (factors.py) for dy; the sum is float32.
    """
    total = column_sums(row_sum, dy.reshape(-1, dy.shape[-1]))
    return written(total, out)


@column_sum.kernel
def column_sum_kernel(dy: Array, out: Array | None = None) -> Array:
    channels, cuda = dy.shape[-1], on_cuda(dy)
    if not dy.size:
        return written(zeros(real(dy), channels), out)
    rows = dy.size // channels
    if isinstance(dy, Factor):
        k = rows_side_by_side(rows, channels)
        return _sum_at_once(dy.reshape(rows // k, k * channels), channels, out)
    k = rows_side_by_side(rows, channels)
    x = contiguous(dy).reshape(rows // k, k * channels)
    if at_once(x):
        return _sum_at_once(x, channels, out)
    while len(x) * k > 1:
        if len(x) == 1 or few_enough(len(x) * k, cuda):  # the last level adds the k parts of the remaining rows, too
            x, k = x.reshape(-1, channels), 1
        x = add_groups(x, rows_per_thread(len(x), k, cuda))
    return written(x[0], out)


def _sum_at_once(x: Array | Factor, channels: int, out: Array | None) -> Array:
    """Return the sums of x (rows, k * channels) over its rows and over the k columns of each channel, by one launch."""
    entry, numbers = "columns.column_sum_at_once", x
    if isinstance(x, Factor):
        entry, numbers = f"{file_of(x.precision)}.column_sum", x.numbers
    total = empty(numbers, channels, dtype=x.dtype) if out is None or not out.flags.c_contiguous else out
    (rows, width), (grid, block, each) = x.shape, block_sums([numbers], *x.shape)
    parts, counters = empty(total, grid[0], width), arrivals(total, grid[1])
    kernels.launch(entry, grid, block, (total, parts, counters, numbers, rows, width, channels, each))
    return total if total is out else written(total, out)


def add_groups(x: Array, each: int) -> Array:
    """Launch one level of the sum: x (..., rows, width) -> sums (..., groups, width) over groups of `each` rows."""
    *batches, rows, width = x.shape
    sums = empty(x, *batches, -(-rows // each), width)
    row_groups("columns.column_sum", (sums, x, rows, width, each), rows, width, each, math.prod(batches))
    return sums


def add_bias(y: Array, bias: Array) -> Array:
    """Launch the addition of bias (C,) to y (..., C) in place; return y."""
    if y.size:
        channels, rows = y.shape[-1], y.size // y.shape[-1]
        rows_of_blocks("columns.add_bias", (y, bias, rows, channels), rows, channels)
    return y
