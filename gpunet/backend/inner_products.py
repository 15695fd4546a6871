"""The last convolution of a discriminator, for tensor cores' precisions: one inner product per picture.

Its kernel covers the image and it has one filter (kernels/factors/inner_products.cuh):

    y[n]       = bias + sum over k of x[n, k] weight[k]        x (N, K), weight (K,)
    dx[n, k]   = dy[n] weight[k]                               dy (N,)
    dweight[k] = sum over n of dy[n] x[n, k]

There is too little to multiply for tensor cores; x and the weight are rounded as for all other convolutions, for then
half of the bytes are read. dy, the sums and both gradients are float32. One launch makes both gradients, and one the
answers y together with their loss, if somebody has asked for it (losses.Asked), as long as `choices.fused` says so.
"""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array
from gpunet.backend.factors import DTYPES, Factor, file_of
from gpunet.backend.launches import FINISH_ON_CUDA, arrivals, contiguous, empty
from gpunet.backend.losses import LANES, Asked
from gpunet.backend.tensor_cores import NOTHING, After

NUMBERS = 8  # K is a multiple of this: 16 bytes of 16-bit numbers
BLOCK_THREADS = 256  # of a block that sums
ACROSS, LANES_OF_BACKWARD, EACH = 32, 8, 4  # threads along K and along N of a block, and the k's of a thread
MOST = FINISH_ON_CUDA * LANES  # answers in a batch whose loss is added up in one pass


def takes(weight: tuple[int, ...]) -> bool:
    """Return whether the kernels take a weight (KH, KW, C, F), where the image is as large as it is."""
    kh, kw, c, f = weight
    return f == 1 and min(kh, kw) > 1 and kh * kw * c % NUMBERS == 0


def output(x: Array, weight: Array, precision: str, bias: Array | None = None, asked: Asked | None = None) -> Array:
    """Return y (N, 1, 1, 1) of the factors x (N, K) and weight (K,); bias (1,). asked: a loss of y, or None."""
    y, (n, k) = empty(x, len(x), 1, 1, 1, dtype="float32"), x.shape
    if not n:
        return y
    entry, args = f"{file_of(precision)}.inner_products", (x, weight, bias, k)
    if asked is None or not fused() or n % asked.batches or n // asked.batches > MOST:
        kernels.launch(entry, n, BLOCK_THREADS, (y, *args))
        return y
    numbers, dlogits = empty(y, 1 + asked.batches), empty(y, *y.shape)
    loss = (asked.number, asked.targets[0], asked.targets[-1], asked.batches)
    kernels.launch(f"{entry}_and_loss", n, BLOCK_THREADS, (y, numbers, dlogits, arrivals(y, 1), *args, *loss))
    asked.found = y, numbers, dlogits
    return y


def input_grad(dy: Array, weight: Array, precision: str, after: After = NOTHING, norm: Any = None) -> Any:
    """Return dx (N, K) of dy (N,) and the factor weight (K,). norm: see `gradients`."""
    return _backward(after.mask, weight, dy, precision, None, after, norm)


def gradients(
    x: Array, dy: Array, weight: Array, precision: str, dweight: Array, after: After | None, norm: Any = None
) -> Any:
    """Write dweight (K,), return dx (N, K): of dy (N,), factors x (N, K) and weight (K,). after=None: no dx.

    norm: what a batch norm in front asks for (epilogue.Gradients), or None. Then dx and its sums are returned.
    """
    return _backward(x, weight, dy, precision, dweight, after, norm)


def _backward(
    x: Array | None, weight: Array, dy: Array, precision: str, dweight: Array | None, after: After | None, norm: Any
) -> Any:
    dy, n, k = contiguous(dy), dy.size, weight.size
    plain = rounded = None
    if after and after.rounds:
        rounded = empty(dy, n, k, dtype=DTYPES[precision])
    elif after:
        plain = empty(dy, n, k)
    slope = after.slope if after else 1.0
    entry, grid = f"{file_of(precision)}.inner_products_backward", -(-k // (ACROSS * EACH))
    results = (plain, rounded, dweight)
    dx = plain if rounded is None else Factor(rounded, precision, slope)
    if norm is None:
        kernels.launch(entry, grid, (ACROSS, LANES_OF_BACKWARD), (*results, x, weight, dy, n, k, slope))
        return dx
    dscale, dshift = (empty(dy, norm.channels) if array is None else array for array in norm.out)
    per_batch, parts = empty(dy, norm.batches, 2, norm.channels), empty(dy, norm.batches, 2, k)
    sums = (dscale, dshift, per_batch)
    x_of_norm = norm.x.numbers if isinstance(norm.x, Factor) else norm.x
    given = (x_of_norm, norm.mean, norm.rstd, norm.scale, norm.shift, n, k, norm.channels, norm.batches, norm.slope)
    args = (*results, *sums, parts, arrivals(dy, grid), x, weight, dy, *given)
    kernels.launch(f"{entry}_and_sums", grid, (ACROSS, LANES_OF_BACKWARD), args)
    return dx, sums
