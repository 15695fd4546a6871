"""Launches of batchnorm.cu: statistics level by level, then one pass; backward in two passes."""

from __future__ import annotations

from typing import Any, NamedTuple

from gpunet import kernels
from gpunet.kernels.launches import (
    arrivals,
    at_once,
    columns,
    contiguous,
    empty,
    few_enough,
    folding,
    on_cuda,
    rows_of_blocks,
    rows_per_thread,
)
from gpunet.kernels.sums import add_groups

Running = tuple[Any, Any, float]  # running mean (C,), running variance (C,), momentum


class Shape(NamedTuple):
    """x (..., C) as the sums see it: (batches, rows, width), width = k * channels, and the rows that a thread takes."""

    rows: int
    width: int
    channels: int
    k: int
    each: int
    batches: int

    @classmethod
    def of(cls, x: Any, batches: int) -> Shape:
        channels, rows = x.shape[-1], x.size // max(1, x.shape[-1]) // batches
        if not rows:
            raise ValueError(f"batchnorm: got x of shape {x.shape}, expected at least one number per channel")
        k = folding(rows, channels)
        return cls(rows // k, k * channels, channels, k, rows_per_thread(rows // k, k, on_cuda(x)), batches)


def forward(x: Any, scale: Any, shift: Any, eps: float, slope: float, running: Running | None, batches: int) -> tuple:
    """Return y, mean, var, rstd of gpunet.backend.batchnorm, and move the running averages."""
    x, shape = contiguous(x), Shape.of(x, batches)
    mean, var, rstd = empty(x, 3, *([batches] if batches > 1 else []), shape.channels)
    running_mean, running_var, momentum = running or (None, None, 0.0)
    statistics(x, shape, (mean, var, rstd, running_mean, running_var), eps, momentum)
    return normalise(x, mean, rstd, scale, shift, slope), mean, var, rstd


def statistics(x: Any, shape: Shape, results: tuple, eps: float, momentum: float) -> None:
    """Fill mean, var, rstd and the running averages: groups of rows, groups of groups, the rest."""
    rows, width, channels, k, each, batches = shape
    moments = empty(x, 2, batches, -(-rows // each), width)  # mean and squared deviations of each group
    if at_once(x):
        counters = arrivals(x, channels)
        args = (*results, *moments, counters, x, rows, width, channels, each, eps, momentum)
        return columns("batchnorm.statistics_at_once", args, rows, width, each, batches)
    columns("batchnorm.statistics", (*moments, x, rows, width, each), rows, width, each, batches)
    groups = moments.shape[2]
    while not few_enough(groups * k, on_cuda(x)) and groups > 1:
        per_thread = rows_per_thread(groups, k, on_cuda(x))
        larger = empty(x, 2, batches, -(-groups // per_thread), width)
        args = (*larger, *moments, groups, width, each, rows, per_thread)
        columns("batchnorm.combine", args, groups, width, per_thread, batches)
        moments, groups, each = larger, larger.shape[2], each * per_thread
    args = (*results, *moments, batches, groups * k, k, channels, each, rows * k, eps, momentum)
    per_channel("batchnorm.finish", args, channels)


def normalise(x: Any, mean: Any, rstd: Any, scale: Any, shift: Any, slope: float) -> Any:
    """Return y = leaky_relu((x - mean) rstd scale + shift, slope); mean and rstd (C,) or (batches, C)."""
    y, channels, batches = empty(x, *x.shape), x.shape[-1], mean.size // x.shape[-1]
    rows = x.size // channels // batches
    args = (y, x, mean, rstd, scale, shift, rows, channels, slope)
    rows_of_blocks("batchnorm.normalise", args, rows, channels, batches)
    return y


def inference(x: Any, mean: Any, var: Any, scale: Any, shift: Any, eps: float, slope: float) -> Any:
    """Return y of gpunet.backend.batchnorm_inference."""
    rstd = empty(x, *var.shape)
    per_channel("batchnorm.inverse_root", (rstd, var, var.size, eps), var.size)
    return normalise(contiguous(x), mean, rstd, scale, shift, slope) if x.size else empty(x, *x.shape)


def backward(dy: Any, x: Any, mean: Any, rstd: Any, scale: Any, shift: Any, slope: float, out: tuple) -> tuple:
    """Return dx (written into dy), dscale and dshift (in `out` if given) of gpunet.backend.batchnorm_backward."""
    dy, x, channels, batches = contiguous(dy), contiguous(x), mean.shape[-1], mean.size // mean.shape[-1]
    dscale, dshift = (empty(x, channels) if array is None else array for array in out)
    per_batch = empty(x, batches, 2, channels)
    given = (dy, x, mean, rstd, scale, shift)
    reduce(Shape.of(x, batches), given, slope, (dscale, dshift, per_batch))
    rows = x.size // channels // batches
    args = (dy, *given, per_batch, rows, channels, slope)
    rows_of_blocks("batchnorm.backward_apply", args, rows, channels, batches)
    return dy, dscale, dshift


def reduce(shape: Shape, given: tuple, slope: float, results: tuple) -> None:
    """Fill dscale, dshift and, per batch, both: sums of dz x_hat and of dz over groups of rows, then over the rest."""
    rows, width, channels, k, each, batches = shape
    x = given[1]
    sums = empty(x, batches, -(-rows // each), 2 * width)  # (batches, groups, 2, k, C)
    args = (*given, rows, width, channels, each, slope)
    if at_once(x):
        args = (*results, sums, arrivals(x, channels), *args)
        return columns("batchnorm.backward_reduce_at_once", args, rows, width, each, batches)
    columns("batchnorm.backward_reduce", (sums, *args), rows, width, each, batches)
    while not few_enough(sums.shape[1] * k, on_cuda(x)) and sums.shape[1] > 1:
        sums = add_groups(sums, rows_per_thread(sums.shape[1], k, on_cuda(x)))
    per_channel("batchnorm.backward_finish", (*results, sums, batches, sums.shape[1], k, channels), 2 * channels)


def per_channel(entry: str, args: tuple, count: int) -> None:
    """Launch one thread per channel."""
    block = 64 if on_cuda(args[0]) else 1024
    kernels.launch(entry, -(-count // block), block, args)
