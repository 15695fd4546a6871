"""Batch normalisation, with the activation behind it in the same pass.

    x_hat = (x - mean) * rstd,   rstd = 1 / sqrt(var + eps)         mean, var over all axes but the last
    z     = x_hat * scale + shift,      y = z where z > 0, else slope * z

`slope` names the activation: 1 none, 0 ReLU, 0.2 LeakyReLU. Backward saves x and the statistics only; x_hat and the
sign of z are computed again, which is cheaper than writing and reading them. Ioffe & Szegedy, "Batch Normalization",
2015, section 3; docs/batchnorm.md derives the backward pass.
"""

from __future__ import annotations

from typing import Any

import kernels.batchnorm
from gpunet.backend.arrays import Array, array_module, operation
from gpunet.backend.parallel import by_rows, column_sums


def as_rows(x: Array) -> Array:
    """View x (..., C) as (rows, C)."""
    return x.reshape(-1, x.shape[-1])


@operation
def batchnorm(
    x: Array,
    scale: Array | None,
    shift: Array | None,
    eps: float,
    slope: float = 1.0,
    running: tuple[Array, Array, float] | None = None,
) -> tuple[Array, Array, Array, Array]:
    """Normalise x (..., C) by its own statistics: y (as x), mean (C,), biased var (C,), rstd (C,).

    running: (mean (C,), variance (C,), momentum), averages to move by new = (1 - momentum) old + momentum batch, with
    the unbiased variance. The variance is computed from deviations: E[x^2] - mean^2 would cancel digits.
    """
    rows = as_rows(x)  # (rows, C)
    mean = column_sums(lambda block: block.sum(axis=0), rows) / rows.shape[0]
    var = column_sums(lambda block: ((block - mean) ** 2).sum(axis=0), rows) / rows.shape[0]
    rstd = 1 / array_module(x).sqrt(var + x.dtype.type(eps))
    if running:
        running_mean, running_var, momentum = running
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (var * (rows.shape[0] / (rows.shape[0] - 1)) - running_var)
    return _affine(x, *_coefficients(mean, rstd, scale, shift), slope), mean, var, rstd


@batchnorm.kernel
def _(
    x: Array, scale: Array | None, shift: Array | None, eps: float, slope: float = 1.0, running: Any = None
) -> tuple[Array, Array, Array, Array]:
    return kernels.batchnorm.forward(x, scale, shift, eps, slope, running)


@operation
def batchnorm_inference(
    x: Array, mean: Array, var: Array, scale: Array | None, shift: Array | None, eps: float, slope: float = 1.0
) -> Array:
    """Normalise x (..., C) by given statistics, the running averages: every row is then independent of the others."""
    rstd = 1 / array_module(x).sqrt(var + x.dtype.type(eps))
    return _affine(x, *_coefficients(mean, rstd, scale, shift), slope)


@batchnorm_inference.kernel
def _(
    x: Array, mean: Array, var: Array, scale: Array | None, shift: Array | None, eps: float, slope: float = 1.0
) -> Array:
    return kernels.batchnorm.inference(x, mean, var, scale, shift, eps, slope)


@operation
def batchnorm_backward(
    dy: Array, x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float = 1.0
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale (C,) and dshift (C,), in one reducing and one applying pass.

    dz = dy * (1 or slope),   dshift = sum dz,   dscale = sum dz * x_hat        over the M rows
    dx = scale * rstd * (dz - dshift / M - x_hat * dscale / M)
    """
    xp = array_module(x)
    dy = xp.ascontiguousarray(dy)  # of a strided view, as_rows would be a copy, and dx written into that
    rows, drows = as_rows(x), as_rows(dy)
    a, b = _coefficients(mean, rstd, scale, shift)
    factor = xp.asarray([slope, 1], x.dtype)

    def reduce(dz: Array, x: Array) -> Array:
        if slope != 1:
            dz *= factor[(x * a + b > 0).view("u1")]  # the sign of z, computed again
        return xp.stack([dz.sum(axis=0), (dz * ((x - mean) * rstd)).sum(axis=0)])  # (2, C)

    dshift, dscale = column_sums(reduce, drows, rows)
    by_x = -a * rstd * dscale / rows.shape[0]  # dx = a dz + by_x (x - mean) + constant, per channel
    constant = -a * dshift / rows.shape[0]

    def apply(dz: Array, x: Array) -> None:
        dz *= a
        dz += (x - mean) * by_x + constant

    by_rows(apply, drows, rows)
    return dy, dscale, dshift


@batchnorm_backward.kernel
def _(
    dy: Array, x: Array, mean: Array, rstd: Array, scale: Array | None, shift: Array | None, slope: float = 1.0
) -> tuple[Array, Array, Array]:
    return kernels.batchnorm.backward(dy, x, mean, rstd, scale, shift, slope)


def _coefficients(mean: Array, rstd: Array, scale: Array | None, shift: Array | None) -> tuple[Array, Array]:
    """Return a, b (C,) with z = a x + b."""
    a = rstd if scale is None else rstd * scale
    return a, -mean * a if shift is None else shift - mean * a


def _affine(x: Array, a: Array, b: Array, slope: float) -> Array:
    """Return y = leaky_relu(a x + b, slope) in one pass through the cache."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)

    def body(y: Array, x: Array) -> None:
        xp.multiply(x, a, out=y)
        y += b
        if slope != 1:
            xp.maximum(y, y * x.dtype.type(slope), out=y)

    by_rows(body, as_rows(y), as_rows(x))
    return y
