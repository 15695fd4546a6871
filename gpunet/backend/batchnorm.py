"""Batch normalisation, with the activation behind it in the same pass.

    x_hat = (x - mean) * rstd,   rstd = 1 / sqrt(var + eps)         mean, var over all axes but the last
    z     = x_hat * scale + shift,      y = z where z > 0, else slope * z

`slope` names the activation: 1 none, 0 ReLU, 0.2 LeakyReLU. Backward saves x and its statistics only and computes x_hat
and the sign of z again. Ioffe & Szegedy, "Batch Normalization", 2015, section 3; docs/batchnorm.md derives it.

Both operations come first as array code, then as launches of kernels/batchnorm.cu. batchnorm_inference.py normalises by
given statistics; batchnorm_ranks.py makes the batches of several ranks one batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gpunet import kernels
from gpunet.backend import batchnorm_factors, batchnorm_ranks
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
    per_channel,
    row_groups,
    rows_of_blocks,
    rows_per_thread,
    rows_side_by_side,
)
from gpunet.backend.threads import by_rows, column_sums, row_sum, row_sum_of_products

if TYPE_CHECKING:
    from gpunet.distributed.base import Ranks

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
    ranks: Ranks | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Normalise x (..., C) by its own statistics: y (as x), mean (C,), biased var (C,), rstd (C,).

    running: (mean (C,), variance (C,), momentum), averages to move by new = (1 - momentum) old + momentum batch, with
    the unbiased variance. The variance is computed from deviations: E[x^2] - mean^2 would cancel digits.
    x may hold several batches, one after another, each normalised on its own: statistics are then (batches, C).
    precision: y is then a Factor of it (factors.py). The kernels also take a Factor for x.
    ranks: those that have as many rows each of the same batches; the statistics are then of all rows.
    """
    xp = array_module(x)
    y, each = xp.empty(x.shape, x.dtype), parts(x, batches)  # (batches, rows, C)
    rows = each.shape[1]
    mean, var = (xp.stack(values) for values in zip(*map(moments, each), strict=True))  # (batches, C)
    if ranks:
        mean, var = batchnorm_ranks.combined(mean, var, rows, ranks)
        rows *= ranks.size
    rstd = 1 / xp.sqrt(var + x.dtype.type(eps))
    for out, part, mean_, var_, rstd_ in zip(parts(y, batches), each, mean, var, rstd, strict=True):  # of one batch
        if running:
            running_mean, running_var, momentum = running
            running_mean += momentum * (mean_ - running_mean)
            running_var += momentum * (var_ * (rows / (rows - 1)) - running_var)
        affine(out, part, *coefficients(mean_, rstd_, scale, shift), slope)
    return y, *((mean, var, rstd) if batches > 1 else (mean[0], var[0], rstd[0]))


def moments(x: Array) -> tuple[Array, Array]:
    """Return mean and biased var (C,) of x (rows, C)."""
    mean = column_sums(row_sum, x) / len(x)
    return mean, column_sums(lambda block: row_sum_of_products(*[block - mean] * 2), x) / len(x)


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
    ranks: Ranks | None = None,
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale (C,) and dshift (C,), in one reducing and one applying pass.

    dz = dy * (1 or slope),   dshift = sum dz,   dscale = sum dz * x_hat        over the M rows
    dx = scale * rstd * (dz - dshift / M - x_hat * dscale / M)

    out: arrays for dscale and dshift. Several batches are told by mean and rstd (batches, C). precision: dx is then a
    Factor of it (a new array, unless dy is one, too); the kernels also take Factors for dy and x.
    ranks: those of the forward pass. M counts the rows of all of them, and dx takes the sums over all rows; the dscale
    and dshift that are returned are this rank's own.
    """
    batches = 1 if mean.ndim == 1 else len(mean)
    dy = array_module(x).ascontiguousarray(dy)  # else `parts` would be a copy of a strided view, and get dx
    each = parts(dy, batches), parts(x, batches), mean.reshape(batches, -1), rstd.reshape(batches, -1)
    sums = array_module(x).stack([sums_of_part(*one, scale, shift, slope) for one in zip(*each, strict=True)])
    dshift, dscale = sums.sum(axis=0)  # sums (batches, 2, C)
    if ranks:
        batchnorm_ranks.mean_over(sums, ranks)
    for dz, part, of_mean, of_rstd, of_sums in zip(*each, sums, strict=True):
        apply_to_part(dz, part, of_mean, of_rstd, of_sums, scale)
    return dy, written(dscale, out[0]), written(dshift, out[1])


def sums_of_part(
    dz: Array, x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float
) -> Array:
    """Write dz of one batch (rows, C) in place of dy; return its dshift and dscale, (2, C)."""
    xp, (a, b) = array_module(x), coefficients(mean, rstd, scale, shift)

    def reduce(dz: Array, x: Array) -> Array:
        if slope != 1:
            dz *= derivative(x * a + b, slope)  # z, computed again
        return xp.stack([row_sum(dz), row_sum_of_products(dz, x - mean)])  # (2, C)

    sums = column_sums(reduce, dz, x)
    sums[1] *= rstd
    return sums


def apply_to_part(dz: Array, x: Array, mean: Array, rstd: Array, sums: Array, scale: Array | None) -> None:
    """Write dx of one batch (rows, C) in place of dz; sums (2, C): dshift and dscale, or 0 for given statistics."""
    rows = len(dz)
    a, (dshift, dscale) = rstd if scale is None else rstd * scale, sums
    by_x = -a * rstd * dscale / rows
    constant = -a * dshift / rows - by_x * mean  # dx = a dz + by_x x + constant

    def apply(dz: Array, x: Array) -> None:
        dz *= a
        rest = x * by_x
        rest += constant
        dz += rest

    by_rows(apply, dz, x)


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
    x, scale, shift, eps, slope=1.0, running=None, batches=1, precision=None, ranks=None, found=None
) -> tuple[Array | Factor, Array, Array, Array]:
    """found: mean, var and rstd, where a neighbour has summed them up (epilogue.py).

    The neighbour has also moved the averages, unless there are ranks: then found are those of this rank's rows.
    """
    stored, shape = isinstance(x, Factor), shape_of(x, batches)
    x = x if stored else contiguous(x)
    like = x.numbers if stored else x
    mean, var, rstd = found or empty(like, 3, *([batches] if batches > 1 else []), shape.channels, dtype=x.dtype)
    running_mean, running_var, momentum = running or (None, None, 0.0)
    results, of_rank = (mean, var, rstd, running_mean, running_var), (mean, var, rstd, None, None)
    if not (found or ranks) and batchnorm_factors.takes_few_rows(shape, precision):
        numbers = eps, momentum, slope
        return batchnorm_factors.normalise_few_rows(x, results, scale, shift, numbers, precision), mean, var, rstd
    if not found:
        sum_up = batchnorm_factors.statistics if stored else statistics
        sum_up(x, shape, of_rank if ranks else results, eps, momentum)
    if ranks:
        batchnorm_ranks.statistics(results, (shape.batches, shape.rows * shape.k), eps, momentum, ranks)
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
    dy, x, mean, rstd, scale, shift, slope=1.0, out=(None, None), precision=None, ranks=None,
    given_statistics=False, found=None,
) -> tuple:  # fmt: skip
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
    elif ranks:
        batchnorm_ranks.mean_over(per_batch, ranks)
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
