"""Layer normalisation: every sample is normalised by its own mean and variance, whatever batch it is in.

    x_hat = (x - mean) rstd,   rstd = 1 / sqrt(var + eps)     mean, var of a sample's M = H W C numbers
    y     = x_hat scale + shift                               scale and shift per channel

Ba, Kiros & Hinton, "Layer normalization", 2016; on maps as Gulrajani et al., "Improved training of Wasserstein GANs",
2017, normalise their critic. With dz = dy scale the backward pass is batch norm's, over the numbers of a sample:

    dshift = sum dy,   dscale = sum dy x_hat                    over samples and pixels, per channel
    dx = rstd (dz - sum(dz) / M - x_hat sum(dz x_hat) / M)      both sums over the sample

The kernels are batch norm's with every sample as a batch of its own: a sample of one channel for the statistics, where
all its numbers are rows, and a sample of C channels for the sums of the backward pass. Only the last step of the
backward pass differs (kernels/layer_norm.cu).

Instance normalisation has statistics per sample and channel. That is batch norm of samples that are batches, so it has
no operation of its own (layers/layer_norm.py).
"""

from __future__ import annotations

from gpunet.backend.batchnorm import normalise, reduce_backward, shape_of, statistics
from gpunet.backend.devices import Array, array_module, operation, written
from gpunet.backend.launches import contiguous, empty, rows_of_blocks
from gpunet.backend.matmul import matmul
from gpunet.backend.threads import by_rows, column_sums


@operation
def layernorm(x: Array, scale: Array | None, shift: Array | None, eps: float) -> tuple[Array, Array, Array]:
    """Normalise x (N, ..., C) sample by sample: y (as x), mean (N, 1), rstd (N, 1). The variance is the biased one."""
    xp, n = array_module(x), len(x)
    y, mean, rstd = xp.empty(x.shape, x.dtype), xp.empty((n, 1), x.dtype), xp.empty((n, 1), x.dtype)

    def body(y: Array, x: Array, mean: Array, rstd: Array) -> None:
        numbers = x.reshape(len(x), -1)  # (samples, M)
        mean[...] = numbers.mean(axis=1, keepdims=True)
        deviations = numbers - mean
        var = (deviations * deviations).mean(axis=1, keepdims=True)
        rstd[...] = 1 / xp.sqrt(var + x.dtype.type(eps))
        deviations *= rstd
        y[...] = deviations.reshape(x.shape)
        if scale is not None:
            y *= scale
        if shift is not None:
            y += shift

    by_rows(body, y, x, mean, rstd)
    return y, mean, rstd


@operation
def layernorm_backward(
    dy: Array,
    x: Array,
    mean: Array,
    rstd: Array,
    scale: Array | None,
    out: tuple[Array | None, Array | None] = (None, None),
) -> tuple[Array, Array, Array]:
    """Return dx (written into dy), dscale (C,) and dshift (C,) by the formulas above.

    mean, rstd (N, 1) are those of the forward pass. out: arrays for dscale and dshift.
    """
    xp = array_module(x)
    dy = xp.ascontiguousarray(dy)

    def body(dy: Array, x: Array, mean: Array, rstd: Array) -> Array:
        x_hat = ((x.reshape(len(x), -1) - mean) * rstd).reshape(x.shape)
        axes = tuple(range(x.ndim - 1))
        sums = xp.stack([(dy * x_hat).sum(axis=axes), dy.sum(axis=axes)])  # (2, C)
        if scale is not None:
            dy *= scale
        dz, x_hat = dy.reshape(len(x), -1), x_hat.reshape(len(x), -1)  # (samples, M)
        by_x = (dz * x_hat).mean(axis=1, keepdims=True)
        dz -= dz.mean(axis=1, keepdims=True)
        dz -= x_hat * by_x
        dz *= rstd
        return sums

    dscale, dshift = column_sums(body, dy, x, mean, rstd)
    return dy, written(dscale, out[0]), written(dshift, out[1])


# ---- batch norm's kernels, and kernels/layer_norm.cu ----------------------------------------------------------------


@layernorm.kernel
def layernorm_kernel(x, scale, shift, eps) -> tuple[Array, Array, Array]:
    x, n = contiguous(x), len(x)
    mean, var, rstd = empty(x, 3, n, 1)
    numbers = x.reshape(n, -1, 1)  # one channel: all numbers of a sample are rows
    statistics(numbers, shape_of(numbers, n), (mean, var, rstd, None, None), eps, 0.0)
    y = normalise(x, *_of_channels(x, mean, rstd), scale, shift, 1.0)
    return y, mean, rstd


@layernorm_backward.kernel
def layernorm_backward_kernel(dy, x, mean, rstd, scale, out=(None, None)) -> tuple[Array, Array, Array]:
    dy, x, n, channels = contiguous(dy), contiguous(x), len(x), x.shape[-1]
    dscale, dshift = (empty(x, channels) if array is None else array for array in out)
    per_sample = empty(x, n, 2, channels)  # sums of dy, and of dy x_hat, over the pixels of each sample
    given = (dy, x, *_of_channels(x, mean, rstd), None, None)
    reduce_backward(shape_of(x, n), given, 1.0, (dscale, dshift, per_sample))
    factors = array_module(x).ones(channels, x.dtype) if scale is None else scale
    sums = matmul(per_sample.reshape(2 * n, channels), factors[:, None])  # (2 n, 1): of dz and of dz x_hat
    rows = x.size // channels // n
    args = (dy, dy, x, mean, rstd, scale, sums, rows, channels, n / x.size)
    rows_of_blocks("layer_norm.backward_apply", args, rows, channels, n)
    return dy, dscale, dshift


def _of_channels(x: Array, mean: Array, rstd: Array) -> tuple[Array, Array]:
    """Return mean and rstd (N, 1) as (N, C), which batch norm's kernels read: each number once for every channel."""
    xp, shape = array_module(x), (len(x), x.shape[-1])
    return xp.ascontiguousarray(xp.broadcast_to(mean, shape)), xp.ascontiguousarray(xp.broadcast_to(rstd, shape))
