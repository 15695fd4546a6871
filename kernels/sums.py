"""Launches of columns.cu: sums over rows, level by level, and the bias."""

from __future__ import annotations

import math
from typing import Any

from gpunet.kernels.launches import (
    columns,
    contiguous,
    empty,
    few_enough,
    folding,
    on_cuda,
    rows_of_blocks,
    rows_per_thread,
    zeros,
)


def column_sum(x: Any) -> Any:
    """Return the sum (C,) of x (..., C) over all axes but the last."""
    channels, cuda = x.shape[-1], on_cuda(x)
    if not x.size:
        return zeros(x, channels)
    rows = x.size // channels
    k = folding(rows, channels)
    x = contiguous(x).reshape(rows // k, k * channels)
    while len(x) * k > 1:
        if len(x) == 1 or few_enough(len(x) * k, cuda):
            x, k = x.reshape(-1, channels), 1
        x = add_groups(x, rows_per_thread(len(x), k, cuda))
    return x[0]


def add_groups(x: Any, each: int) -> Any:
    """Return the sums of x (..., rows, width) over groups of `each` rows: (..., groups, width), a level of the tree."""
    *batches, rows, width = x.shape
    sums = empty(x, *batches, -(-rows // each), width)
    columns("columns.column_sum", (sums, x, rows, width, each), rows, width, each, math.prod(batches))
    return sums


def add_bias(y: Any, bias: Any) -> Any:
    """Add bias (C,) to y (..., C) in place, and return y."""
    if y.size:
        channels, rows = y.shape[-1], y.size // y.shape[-1]
        rows_of_blocks("columns.add_bias", (y, bias, rows, channels), rows, channels)
    return y
