"""The tangent of layer and instance normalisation: the change of y along a direction t, and its own backward pass.

    x_hat = (x - mean) rstd,  y = x_hat scale + shift       mean and rstd over the M numbers normalised together
    J t   = scale rstd (t - mean(t) - x_hat mean(t x_hat))

Let s = sum of dty (J t), a scalar of which dty is the gradient by J t, and u = scale dty. Then

    dt = rstd (u - mean(u) - x_hat mean(u x_hat))           the backward pass of y itself: J without scale is symmetric
    dx = -rstd^2 (b u + a t + k x_hat - b mean(u) - a mean(t))
         a = mean(u x_hat),  b = mean(t x_hat),  k = mean(u t) - mean(u) mean(t) - 3 a b
    dscale = sum of dty rstd (t - mean(t) - b x_hat)        per channel

docs/gradient-penalty.md derives them. M is a sample's size for layer normalisation (mean and rstd are (N, 1)), and a
map's for instance normalisation (N, C). The kernels are in kernels/norm_tangent.cu.
"""

from __future__ import annotations

from gpunet.backend.columns import add_groups, column_sum
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import contiguous, elements, empty, row_groups, rows_of_blocks, rows_per_thread
from gpunet.backend.matmul import matmul

SUMS, COEFFICIENTS = 5, 4  # as in norm_tangent.cu


@operation
def scale_channels(x: Array, scale: Array) -> Array:
    """Return y = scale x: x (..., C), scale (C,)."""
    return x * scale


@scale_channels.kernel
def scale_channels_kernel(x: Array, scale: Array) -> Array:
    x, y, channels = contiguous(x), empty(x, *x.shape), x.shape[-1]
    rows = x.size // channels
    rows_of_blocks("norm_tangent.scale_channels", (y, x, scale, rows, channels), rows, channels)
    return y


@operation
def norm_tangent_backward(
    dty: Array, t: Array, x: Array, mean: Array, rstd: Array, scale: Array | None
) -> tuple[Array, Array]:
    """Return dx (N, ..., C), a new array, and dscale (C,), by the formulas above.

    dty, t, x (N, ..., C); mean, rstd (N, 1) or (N, C), those of the forward pass.
    """
    n, channels = len(x), x.shape[-1]
    axes = 1 if mean.shape[1] == channels else (1, 2)  # of (N, pixels, C)
    u, t, x_hat = (array.reshape(n, -1, channels) for array in (dty, t, x))
    mean, rstd = mean[:, None], rstd[:, None]
    x_hat = (x_hat - mean) * rstd

    def average(numbers: Array) -> Array:
        return numbers.mean(axis=axes, keepdims=True)

    b, centred = average(t * x_hat), t - average(t)
    dscale = (u * rstd * (centred - b * x_hat)).sum(axis=(0, 1))
    u = u if scale is None else u * scale
    a = average(u * x_hat)
    k = average(u * t) - average(u) * average(t) - 3 * a * b
    dx = -rstd * rstd * (b * (u - average(u)) + a * centred + k * x_hat)
    return dx.reshape(x.shape), dscale


@norm_tangent_backward.kernel
def norm_tangent_backward_kernel(
    dty: Array, t: Array, x: Array, mean: Array, rstd: Array, scale: Array | None
) -> tuple[Array, Array]:
    dty, t, x = contiguous(dty), contiguous(t), contiguous(x)
    n, channels, per_sample = len(x), x.shape[-1], mean.shape[1] != x.shape[-1]
    rows = x.size // n // channels
    xp = array_module(x)
    mean, rstd = (xp.ascontiguousarray(xp.broadcast_to(array, (n, channels))) for array in (mean, rstd))
    sums = _sums((dty, t, x, mean, rstd), n, rows, channels)
    totals = _over_channels(sums, scale) if per_sample else None
    share = 1 / rows / (channels if per_sample else 1)
    coefficients, dscales = empty(x, n, COEFFICIENTS, channels), empty(x, n, channels)
    args = (coefficients, dscales, sums, totals, rstd, scale, n * channels, channels, share)
    elements("norm_tangent.coefficients", args, n * channels)
    dx = empty(x, *x.shape)
    given = (dx, dty, t, x, mean, coefficients, rows, channels)
    rows_of_blocks("norm_tangent.apply", given, rows, channels, n)
    return dx, column_sum(dscales)


def _sums(given: tuple[Array, ...], n: int, rows: int, channels: int) -> Array:
    """Return the five sums over the pixels of each channel of each sample: (N, SUMS, C)."""
    each = rows_per_thread(rows, 1, on_cuda(given[0]))
    sums = empty(given[0], n, -(-rows // each), SUMS * channels)
    row_groups("norm_tangent.sums", (sums, *given, rows, channels, each), rows, channels, each, n)
    while sums.shape[1] > 1:
        sums = add_groups(sums, rows_per_thread(sums.shape[1], 1, on_cuda(sums)))
    return sums.reshape(n, SUMS, channels)


def _over_channels(sums: Array, scale: Array | None) -> Array:
    """Return the sums over the channels, weighted by their scales and not weighted: (N, SUMS, 2)."""
    xp, (n, _, channels) = array_module(sums), sums.shape
    weights = xp.ones((channels, 2), sums.dtype)
    if scale is not None:
        weights[:, 0] = scale
    return matmul(sums.reshape(n * SUMS, channels), weights).reshape(n, SUMS, 2)
