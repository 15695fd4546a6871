"""Batch normalisation by given statistics, the running averages: what a network in evaluation mode does.

    y  = leaky_relu((x - mean) * rstd * scale + shift, slope),   rstd = 1 / sqrt(var + eps)
    dx = scale * rstd * dz,                                      dz = dy * (1 or slope)

mean and var are constants here, so y is x times one number per channel plus another, and dx is dz times the first of
them. dscale and dshift are those of batchnorm.py, whose kernels do the work.
"""

from __future__ import annotations

from gpunet.backend import batchnorm_factors
from gpunet.backend.batchnorm import (
    affine,
    apply_to_part,
    batchnorm_backward,
    coefficients,
    normalise,
    parts,
    sums_of_part,
)
from gpunet.backend.devices import Array, array_module, operation, written
from gpunet.backend.factors import Factor
from gpunet.backend.launches import contiguous, empty, per_channel

# ---- reference: array code ------------------------------------------------------------------------------------------


@operation
def batchnorm_inference(
    x: Array,
    mean: Array,
    var: Array,
    scale: Array | None,
    shift: Array | None,
    eps: float,
    slope: float = 1.0,
    precision: str | None = None,
) -> Array:
    """Normalise x (..., C) by given statistics, the running averages: every row is then independent of the others.

    precision: y is then a Factor of it; for the kernels, which also take one for x.
    """
    rstd, y = 1 / array_module(x).sqrt(var + x.dtype.type(eps)), array_module(x).empty(x.shape, x.dtype)
    affine(parts(y)[0], parts(x)[0], *coefficients(mean, rstd, scale, shift), slope)
    return y


@operation
def batchnorm_inference_backward(
    dy: Array,
    x: Array,
    mean: Array,
    var: Array,
    scale: Array | None,
    shift: Array | None,
    eps: float,
    slope: float = 1.0,
    out: tuple[Array | None, Array | None] = (None, None),
    precision: str | None = None,
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale and dshift of batchnorm_inference: dx = scale * rstd * dz.

    Given statistics do not move with x, so the two other terms of batchnorm_backward are missing.
    """
    rstd, dy = 1 / array_module(x).sqrt(var + x.dtype.type(eps)), array_module(x).ascontiguousarray(dy)
    one = parts(dy)[0], parts(x)[0], mean, rstd
    dshift, dscale = sums_of_part(*one, scale, shift, slope)
    apply_to_part(*one, array_module(x).zeros((2, x.shape[-1]), x.dtype), scale)
    return dy, written(dscale, out[0]), written(dshift, out[1])


# ---- kernels/batchnorm.cu -------------------------------------------------------------------------------------------


@batchnorm_inference.kernel
def batchnorm_inference_kernel(x, mean, var, scale, shift, eps, slope=1.0, precision=None) -> Array | Factor:
    if precision or isinstance(x, Factor):
        return batchnorm_factors.normalise(x, mean, _rstd(var, eps), scale, shift, slope, precision)
    return normalise(contiguous(x), mean, _rstd(var, eps), scale, shift, slope) if x.size else empty(x, *x.shape)


def _rstd(var: Array, eps: float) -> Array:
    """Return 1 / sqrt(var + eps), (C,)."""
    rstd = empty(var, *var.shape)
    per_channel("batchnorm.inverse_root", (rstd, var, var.size, eps), var.size)
    return rstd


@batchnorm_inference_backward.kernel
def batchnorm_inference_backward_kernel(
    dy, x, mean, var, scale, shift, eps, slope=1.0, out=(None, None), precision=None
) -> tuple[Array, Array, Array]:
    given = (dy, x, mean, _rstd(var, eps), scale, shift, slope, out, precision)
    return batchnorm_backward.kernels(*given, given_statistics=True)
