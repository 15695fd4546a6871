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
from gpunet.backend.epilogue import Gradients
from gpunet.backend.factors import STORED, Factor, file_of
from gpunet.backend.launches import FINISH_ON_CUDA, arrivals, contiguous, empty
from gpunet.backend.losses import LANES, Asked
from gpunet.backend.tensor_cores import NOTHING, After

NUMBERS = 8  # K is a multiple of this: 16 bytes of 16-bit numbers
BLOCK_THREADS = 256  # of a block that sums
ACROSS, LANES_OF_SUM, EACH = 32, 8, 4  # threads along K and along N of a block, and the k's of a thread
MOST = FINISH_ON_CUDA * LANES  # answers in a batch whose loss is added up in one pass
DxAndSums = tuple[Any, tuple[Array, Array, Array] | None]


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


def input_grad(dy: Array, weight: Array, precision: str, after: After = NOTHING, channels: int = 1) -> DxAndSums:
    """Return dx (N, K) of dy (N,) and the factor weight (K,), and its sums: see `gradients`."""
    return _backward(after.mask, weight, dy, precision, None, after, channels)


def gradients(
    x: Array, dy: Array, weight: Array, precision: str, dweight: Array, after: After | None, channels: int = 1
) -> DxAndSums:
    """Write dweight (K,), return dx (N, K): of dy (N,), factors x (N, K) and weight (K,). after=None: no dx.

    With dx come the sums that a batch norm in front has asked for (epilogue.Gradients), None if it has not; K is then
    so many pixels of `channels` numbers.
    """
    return _backward(x, weight, dy, precision, dweight, after, channels)


def _backward(
    x: Array | None, weight: Array, dy: Array, precision: str, dweight: Array | None, after: After | None, channels: int
) -> DxAndSums:
    dy, n, k = contiguous(dy), dy.size, weight.size
    out = after.room(dy, (n, k), precision) if after else None
    dx, pointers = (after.handed(out, precision), after.pointers(out)) if after else (None, [None, None])
    slope = after.slope if after else 1.0
    entry, grid = f"{file_of(precision)}.inner_products_backward", -(-k // (ACROSS * EACH))
    block = (ACROSS, LANES_OF_SUM)
    results, norm = (*pointers, dweight), _asked(after, precision, n, channels)
    if norm is None:
        kernels.launch(entry, grid, block, (*results, x, weight, dy, n, k, slope))
        return dx, None
    dscale, dshift = (empty(dy, channels) if array is None else array for array in norm.out)
    sums, parts = (dscale, dshift, empty(dy, norm.batches, 2, channels)), empty(dy, norm.batches, 2, k)
    x_of_norm = norm.x.numbers if isinstance(norm.x, Factor) else norm.x
    given = (x_of_norm, norm.mean, norm.rstd, norm.scale, norm.shift, n, k, channels, norm.batches, norm.slope)
    args = (*results, *sums, parts, arrivals(dy, grid), x, weight, dy, *given)
    kernels.launch(f"{entry}_and_sums", grid, block, args)
    return dx, sums


def _asked(after: After | None, precision: str, n: int, channels: int) -> Gradients | None:
    """Return what batch norm asks for, if it does and the kernel can sum it up; x is then batch norm's y, unmasked."""
    norm = after.norm if after else None
    if not isinstance(norm, Gradients) or not norm.suits(precision) or after.slope != 1:  # type: ignore[union-attr]
        return None
    if not isinstance(norm.x, Factor) and precision in STORED:  # this kernel reads factors alone
        return None
    return norm if norm.channels == channels and n % norm.batches == 0 else None
