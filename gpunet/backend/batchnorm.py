"""Batch normalisation, with the activation behind it in the same pass.

    x_hat = (x - mean) * rstd,   rstd = 1 / sqrt(var + eps)         mean, var over all axes but the last
    z     = x_hat * scale + shift,      y = z where z > 0, else slope * z

`slope` names the activation: 1 none, 0 ReLU, 0.2 LeakyReLU. Backward saves x and its statistics only and computes x_hat
and the sign of z again. Ioffe & Szegedy, "Batch Normalization", 2015, section 3; docs/batchnorm.md derives it.
"""

from __future__ import annotations

from typing import Any

import gpunet.kernels.batchnorm
from gpunet.backend.activations import derivative
from gpunet.backend.arrays import Array, array_module, operation, written
from gpunet.backend.parallel import by_rows, column_sums, row_sum, row_sum_of_products


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
) -> tuple[Array, Array, Array, Array]:
    """Normalise x (..., C) by its own statistics: y (as x), mean (C,), biased var (C,), rstd (C,).

    running: (mean (C,), variance (C,), momentum), averages to move by new = (1 - momentum) old + momentum batch, with
    the unbiased variance. The variance is computed from deviations: E[x^2] - mean^2 would cancel digits.
    x may hold several batches, one after another, each normalised on its own: statistics are then (batches, C).
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
        _affine(out, part, *_coefficients(mean, rstd, scale, shift), slope)
        statistics.append((mean, var, rstd))
    return y, *(xp.stack(values) if batches > 1 else values[0] for values in zip(*statistics, strict=True))


@batchnorm.kernel
def _(x: Array, scale: Any, shift: Any, eps: float, slope: float = 1.0, running: Any = None, batches: int = 1) -> Any:
    return gpunet.kernels.batchnorm.forward(x, scale, shift, eps, slope, running, batches)


@operation
def batchnorm_inference(
    x: Array, mean: Array, var: Array, scale: Array | None, shift: Array | None, eps: float, slope: float = 1.0
) -> Array:
    """Normalise x (..., C) by given statistics, the running averages: every row is then independent of the others."""
    rstd, y = 1 / array_module(x).sqrt(var + x.dtype.type(eps)), array_module(x).empty(x.shape, x.dtype)
    _affine(parts(y)[0], parts(x)[0], *_coefficients(mean, rstd, scale, shift), slope)
    return y


@batchnorm_inference.kernel
def _(x: Array, mean: Array, var: Array, scale: Any, shift: Any, eps: float, slope: float = 1.0) -> Array:
    return gpunet.kernels.batchnorm.inference(x, mean, var, scale, shift, eps, slope)


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
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale (C,) and dshift (C,), in one reducing and one applying pass.

    dz = dy * (1 or slope),   dshift = sum dz,   dscale = sum dz * x_hat        over the M rows
    dx = scale * rstd * (dz - dshift / M - x_hat * dscale / M)

    out: arrays for dscale and dshift. Several batches are told by mean and rstd (batches, C).
    """
    batches = 1 if mean.ndim == 1 else len(mean)
    dy = array_module(x).ascontiguousarray(dy)  # of a strided view, `parts` would be a copy, and dx written into that
    each = parts(dy, batches), parts(x, batches), mean.reshape(batches, -1), rstd.reshape(batches, -1)
    sums = [_backward_part(*one, scale, shift, slope) for one in zip(*each, strict=True)]
    return dy, *map(written, (sum(values[1:], values[0]) for values in zip(*sums, strict=True)), out)


def _backward_part(
    dz: Array, x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float
) -> tuple[Array, Array]:
    """Write dx of one batch (rows, C) into dz, which comes as dy; return dscale and dshift."""
    xp = array_module(x)
    a, b = _coefficients(mean, rstd, scale, shift)

    def reduce(dz: Array, x: Array) -> Array:
        if slope != 1:
            dz *= derivative(x * a + b, slope)  # z, computed again
        return xp.stack([row_sum(dz), row_sum_of_products(dz, x - mean)])  # (2, C)

    dshift, dscale = column_sums(reduce, dz, x)
    dscale *= rstd
    by_x = -a * rstd * dscale / len(x)
    constant = -a * dshift / len(x) - by_x * mean  # dx = a dz + by_x x + constant

    def apply(dz: Array, x: Array) -> None:
        dz *= a
        rest = x * by_x
        rest += constant
        dz += rest

    by_rows(apply, dz, x)
    return dscale, dshift


@batchnorm_backward.kernel
def _(
    dy: Array, x: Array, mean: Array, rstd: Array, scale: Any, shift: Any, slope: float = 1.0, out: Any = (None, None)
) -> Any:
    return gpunet.kernels.batchnorm.backward(dy, x, mean, rstd, scale, shift, slope, out)


def _coefficients(mean: Array, rstd: Array, scale: Array | None, shift: Array | None) -> tuple[Array, Array]:
    """Return a, b (C,) with z = a x + b."""
    a = rstd if scale is None else rstd * scale
    return a, -mean * a if shift is None else shift - mean * a


def _affine(y: Array, x: Array, a: Array, b: Array, slope: float) -> None:
    """Write leaky_relu(a x + b, slope) into y (rows, C) in one pass through the cache."""

    def body(y: Array, x: Array) -> None:
        array_module(x).multiply(x, a, out=y)
        y += b
        if slope != 1:
            array_module(x).maximum(y, y * x.dtype.type(slope), out=y)

    by_rows(body, y, x)
