"""Batch normalisation, with the activation behind it in the same pass.

    x_hat = (x - mean) * rstd,   rstd = 1 / sqrt(var + eps)         mean, var over all axes but the last
    z     = x_hat * scale + shift,      y = z where z > 0, else slope * z

`slope` names the activation: 1 none, 0 ReLU, 0.2 LeakyReLU. Backward saves x and its statistics only and computes x_hat
and the sign of z again. Ioffe & Szegedy, "Batch Normalization", 2015, section 3; docs/batchnorm.md derives it.

Both operations come first as array code, then as launches of kernels/batchnorm.cu. batchnorm_inference.py normalises by
given statistics.
"""

from __future__ import annotations

from typing import NamedTuple

from gpunet import kernels
from gpunet.backend import batchnorm_factors
from gpunet.backend.activations import derivative
from gpunet.backend.columns import add_groups
from gpunet.backend.devices import Array, array_module, on_cuda, operation, written
from gpunet.backend.factors import Factor
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
)
from gpunet.backend.threads import by_rows, column_sums, row_sum, row_sum_of_products

# ---- reference: array code ------------------------------------------------------------------------------------------


def parts(x: Array, batches: int = 1) -> Array:
    """View x (..., C) as (batches, rows, C)."""
    return x.reshape(batches, -1, x.shape[-1])


@operation
def batchnorm(
    x: Array,
    scale: Array | None,
    shift: Array | None,
    eps: float,
    slope: float = 1.0,
    running: tuple[Array, Array, float] | None = None,
    batches: int = 1,
    precision: str | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Normalise x (..., C) by its own statistics: y (as x), mean (C,), biased var (C,), rstd (C,).

    running: (mean (C,), variance (C,), momentum), averages to move by new = (1 - momentum) old + momentum batch, with
    the unbiased variance. The variance is computed from deviations: E[x^2] - mean^2 would cancel digits.
    x may hold several batches, one after another, each normalised on its own: statistics are then (batches, C).
    precision: y is then a Factor of it (factors.py). The kernels also take a Factor for x.
    """
    xp = array_module(x)
    y, statistics = xp.empty(x.shape, x.dtype), []
    for out, part in zip(parts(y, batches), parts(x, batches), strict=True):  # (rows, C)
        mean = column_sums(row_sum, part) / len(part)
        var = column_sums(lambda block, mean=mean: row_sum_of_products(*[block - mean] * 2), part) / len(part)
        rstd = 1 / xp.sqrt(var + x.dtype.type(eps))
        if running:
            running_mean, running_var, momentum = running
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (var * (len(part) / (len(part) - 1)) - running_var)
        affine(out, part, *coefficients(mean, rstd, scale, shift), slope)
        statistics.append((mean, var, rstd))
    return y, *(xp.stack(values) if batches > 1 else values[0] for values in zip(*statistics, strict=True))


@operation
def batchnorm_backward(
    dy: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    scale: Array | None,
    shift: Array | None,
    slope: float = 1.0,
    out: tuple[Array | None, Array | None] = (None, None),
    precision: str | None = None,
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale (C,) and dshift (C,), in one reducing and one applying pass.

    dz = dy * (1 or slope),   dshift = sum dz,   dscale = sum dz * x_hat        over the M rows
    dx = scale * rstd * (dz - dshift / M - x_hat * dscale / M)

    out: arrays for dscale and dshift. Several batches are told by mean and rstd (batches, C). precision: dx is then a
    Factor of it (a new array, unless dy is one, too); the kernels also take Factors for dy and x.
    """
    batches = 1 if mean.ndim == 1 else len(mean)
    dy = array_module(x).ascontiguousarray(dy)  # else `parts` would be a copy of a strided view, and get dx
    each = parts(dy, batches), parts(x, batches), mean.reshape(batches, -1), rstd.reshape(batches, -1)
    sums = [backward_part(*one, scale, shift, slope, len(one[1])) for one in zip(*each, strict=True)]
    dscale, dshift = sums[0]
    for more_dscale, more_dshift in sums[1:]:
        dscale, dshift = dscale + more_dscale, dshift + more_dshift
    return dy, written(dscale, out[0]), written(dshift, out[1])


def backward_part(
    dz: Array, x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float, rows: float
) -> tuple[Array, Array]:
    """Write dx of one batch (rows, C) into dz, which comes as dy; return dscale and dshift.

    rows: M, or infinity where the statistics are given: its terms in dx are then 0.
    """
    xp = array_module(x)
    a, b = coefficients(mean, rstd, scale, shift)

    def reduce(dz: Array, x: Array) -> Array:
        if slope != 1:
            dz *= derivative(x * a + b, slope)  # z, computed again
        return xp.stack([row_sum(dz), row_sum_of_products(dz, x - mean)])  # (2, C)

    dshift, dscale = column_sums(reduce, dz, x)
    dscale *= rstd
    by_x = -a * rstd * dscale / rows
    constant = -a * dshift / rows - by_x * mean  # dx = a dz + by_x x + constant

    def apply(dz: Array, x: Array) -> None:
        dz *= a
        rest = x * by_x
        rest += constant
        dz += rest

    by_rows(apply, dz, x)
    return dscale, dshift


def coefficients(mean: Array, rstd: Array, scale: Array | None, shift: Array | None) -> tuple[Array, Array]:
    """Return a, b (C,) with z = a x + b."""
    a = rstd if scale is None else rstd * scale
    return a, -mean * a if shift is None else shift - mean * a


def affine(y: Array, x: Array, a: Array, b: Array, slope: float) -> None:
    """Write leaky_relu(a x + b, slope) into y (rows, C) in one pass through the cache."""

    def body(y: Array, x: Array) -> None:
        array_module(x).multiply(x, a, out=y)
        y += b
        if slope != 1:
            array_module(x).maximum(y, y * x.dtype.type(slope), out=y)

    by_rows(body, y, x)


# ---- kernels/batchnorm.cu -------------------------------------------------------------------------------------------


class Shape(NamedTuple):
    """x (..., C) as the sums over rows see it: (batches, rows, width), k rows of C numbers side by side in each row."""

    rows: int
    width: int  # k * channels
    channels: int
    k: int
    each: int  # rows that a thread takes
    batches: int


def shape_of(x: Array, batches: int) -> Shape:
    channels, rows = x.shape[-1], x.size // max(1, x.shape[-1]) // batches
    if not rows:
        raise ValueError(f"batchnorm: got x of shape {x.shape}, expected at least one number per channel")
    k = rows_side_by_side(rows, channels)
    return Shape(rows // k, k * channels, channels, k, rows_per_thread(rows // k, k, on_cuda(x)), batches)


@batchnorm.kernel
def batchnorm_kernel(
    x, scale, shift, eps, slope=1.0, running=None, batches=1, precision=None, found=None
) -> tuple[Array | Factor, Array, Array, Array]:
    """found: mean, var and rstd, where a neighbour has summed them up and moved the averages (epilogue.py)."""
    stored, shape = isinstance(x, Factor), shape_of(x, batches)
    x = x if stored else contiguous(x)
    like = x.numbers if stored else x
    mean, var, rstd = found or empty(like, 3, *([batches] if batches > 1 else []), shape.channels, dtype=x.dtype)
    running_mean, running_var, momentum = running or (None, None, 0.0)
    results = (mean, var, rstd, running_mean, running_var)
    if not found and batchnorm_factors.takes_few_rows(shape, precision):
        numbers = eps, momentum, slope
        return batchnorm_factors.normalise_few_rows(x, results, scale, shift, numbers, precision), mean, var, rstd
    if not found:
        (batchnorm_factors.statistics if stored else statistics)(x, shape, results, eps, momentum)
    if precision or stored:
        return batchnorm_factors.normalise(x, mean, rstd, scale, shift, slope, precision), mean, var, rstd
    return normalise(x, mean, rstd, scale, shift, slope), mean, var, rstd


def statistics(x: Array, shape: Shape, results: tuple, eps: float, momentum: float) -> None:
    """Fill mean, var, rstd and the running averages: of groups of rows, of groups of groups, of the rest."""
    rows, width, channels, k, each, batches = shape
    if at_once(x):
        grid, block, each = block_sums([x], rows, width, batches)
        moments, counters = empty(x, 2, batches, grid[0], width), arrivals(x, grid[1])
        args = (*results, *moments, counters, x, rows, width, channels, each, eps, momentum)
        return kernels.launch("batchnorm.statistics_at_once", grid, block, args)
    moments = empty(x, 2, batches, -(-rows // each), width)  # mean and squared deviations of each group
    row_groups("batchnorm.statistics", (*moments, x, rows, width, each), rows, width, each, batches)
    groups = moments.shape[2]
    while not few_enough(groups * k, on_cuda(x)) and groups > 1:
        per_thread = rows_per_thread(groups, k, on_cuda(x))
        larger = empty(x, 2, batches, -(-groups // per_thread), width)
        args = (*larger, *moments, groups, width, each, rows, per_thread)
        row_groups("batchnorm.combine", args, groups, width, per_thread, batches)
        moments, groups, each = larger, larger.shape[2], each * per_thread
    args = (*results, *moments, batches, groups * k, k, channels, each, rows * k, eps, momentum)
    per_channel("batchnorm.finish", args, channels)


def normalise(x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float) -> Array:
    """Return y = leaky_relu((x - mean) rstd scale + shift, slope); mean and rstd (C,) or (batches, C)."""
    y, channels, batches = empty(x, *x.shape), x.shape[-1], mean.size // x.shape[-1]
    rows = x.size // channels // batches
    args = (y, x, mean, rstd, scale, shift, rows, channels, slope)
    rows_of_blocks("batchnorm.normalise", args, rows, channels, batches)
    return y


@batchnorm_backward.kernel
def batchnorm_backward_kernel(
    dy, x, mean, rstd, scale, shift, slope=1.0, out=(None, None), precision=None, given_statistics=False, found=None
) -> tuple:
    """found: dscale, dshift and per_batch, where a neighbour has summed them up (epilogue.py)."""
    dy, x = (array if isinstance(array, Factor) else contiguous(array) for array in (dy, x))
    channels, batches = mean.shape[-1], mean.size // mean.shape[-1]
    given, stored = (dy, x, mean, rstd, scale, shift), isinstance(dy, Factor) or isinstance(x, Factor)
    if found:
        dscale, dshift, per_batch = found
    else:
        dscale, dshift = (empty(mean, channels) if array is None else array for array in out)
        per_batch = empty(mean, batches, 2, channels)
        reduce = batchnorm_factors.reduce_backward if stored else reduce_backward
        reduce(shape_of(x, batches), given, slope, (dscale, dshift, per_batch))
    if given_statistics:
        per_batch.fill(0)  # the terms of dx that come from the statistics
    if precision or stored:
        return batchnorm_factors.apply_backward(given, per_batch, slope, precision), dscale, dshift
    rows = x.size // channels // batches
    args = (dy, *given, per_batch, rows, channels, slope)
    rows_of_blocks("batchnorm.backward_apply", args, rows, channels, batches)
    return dy, dscale, dshift


def reduce_backward(shape: Shape, given: tuple, slope: float, results: tuple) -> None:
    """Fill dscale, dshift and, per batch, both: sums of dz x_hat and of dz over groups of rows, then over the rest."""
    rows, width, channels, k, each, batches = shape
    x = given[1]
    if at_once(x):
        grid, block, each = block_sums(given[:2], rows, width, batches)
        sums, counters = empty(x, 2, batches, grid[0], width), arrivals(x, grid[1])
        args = (*results, sums, counters, *given, rows, width, channels, each, slope)
        return kernels.launch("batchnorm.backward_reduce_at_once", grid, block, args)
    sums = empty(x, batches, -(-rows // each), 2 * width)  # (batches, groups, 2, k, C)
    args = (sums, *given, rows, width, channels, each, slope)
    row_groups("batchnorm.backward_reduce", args, rows, width, each, batches)
    while not few_enough(sums.shape[1] * k, on_cuda(x)) and sums.shape[1] > 1:
        sums = add_groups(sums, rows_per_thread(sums.shape[1], k, on_cuda(x)))
    per_channel("batchnorm.backward_finish", (*results, sums, batches, sums.shape[1], k, channels), 2 * channels)


def per_channel(entry: str, args: tuple, count: int) -> None:
    """Launch one thread per channel."""
    block = 64 if on_cuda(args[0]) else 1024
    kernels.launch(entry, -(-count // block), block, args)
