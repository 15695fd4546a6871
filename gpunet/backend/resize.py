"""Maps made larger and smaller by 2, and summed up as a whole. Each pass is the backward pass of another one.

    y = upsample(x, (H, W))     y[h, w] = x[h // 2, w // 2]                   nearest upsampling: every pixel four times
    y = downsample(x)           y[h, w] = sum of x[2h .. 2h+1, 2w .. 2w+1]    the transpose of it, so its backward pass

The large map has H x W pixels, the small one half as many rows and columns, rounded up: the last window of an odd side
has one row or column. With mean=True, downsample takes each window's mean (average pooling), and upsample gives each
pixel its share, which is the backward pass of that. Example: [1, 2, 3] along one axis becomes [1, 1, 2, 2, 3, 3], or
[1, 1, 2, 2, 3] with 5 pixels wanted.

    y = pool_maps(x, mean)      y[c] = sum of x[h, w, c] over all pixels, or their mean
    x = fill_maps(y, ...)       x[h, w, c] = y[c], or its share: the backward pass of that

The kernels are in kernels/resize.cu; the sums over whole maps are those of columns.py.
"""

from __future__ import annotations

import math

from gpunet.backend.columns import add_groups
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import contiguous, elements, empty, rows_of_blocks, rows_per_thread
from gpunet.backend.sizes import Pair


def halved(hw: Pair) -> Pair:
    """Return the size of the small map for a large one: half of it, rounded up.

    >>> halved((7, 4))
    (4, 2)
    """
    return (hw[0] + 1) // 2, (hw[1] + 1) // 2


def _shares(xp, hw: Pair, dtype) -> Array:
    """Return 1 / the number of pixels in each window, (h, w, 1)."""
    rows, columns = (xp.full(small, 2, dtype) for small in halved(hw))
    for counts, side in ((rows, hw[0]), (columns, hw[1])):
        counts[-1] = 2 - side % 2
    return 1 / (rows[:, None] * columns)[..., None]


@operation
def upsample(x: Array, hw: Pair, mean: bool = False) -> Array:
    """Return y (N, H, W, C) of size hw for x (N, h, w, C), h and w half of hw rounded up."""
    x = x * _shares(array_module(x), hw, x.dtype) if mean else x
    return array_module(x).ascontiguousarray(x.repeat(2, axis=1).repeat(2, axis=2)[:, : hw[0], : hw[1]])


@upsample.kernel
def upsample_kernel(x: Array, hw: Pair, mean: bool = False) -> Array:
    n, _, _, channels = x.shape
    y = empty(x, n, *hw, channels)
    if y.size:
        rows_of_blocks("resize.spread", (y, contiguous(x), *hw, channels, int(mean)), math.prod(hw), channels, n)
    return y


@operation
def downsample(x: Array, mean: bool = False) -> Array:
    """Return y (N, h, w, C) for x (N, H, W, C), the sum or mean of each window of up to 2 x 2 pixels."""
    y = x[:, ::2, ::2].copy()
    for top, left in ((0, 1), (1, 0), (1, 1)):
        part = x[:, top::2, left::2]
        y[:, : part.shape[1], : part.shape[2]] += part
    return y * _shares(array_module(x), x.shape[1:3], x.dtype) if mean else y


@downsample.kernel
def downsample_kernel(x: Array, mean: bool = False) -> Array:
    n, height, width, channels = x.shape
    small = halved((height, width))
    y = empty(x, n, *small, channels)
    if y.size:
        args = (y, contiguous(x), height, width, channels, int(mean))
        rows_of_blocks("resize.gather", args, math.prod(small), channels, n)
    return y


@operation
def pool_maps(x: Array, mean: bool = False) -> Array:
    """Return y (N, C), the sum or mean of x (N, ..., C) over the pixels of each sample."""
    maps = x.reshape(len(x), -1, x.shape[-1])
    return maps.mean(axis=1) if mean else maps.sum(axis=1)


@pool_maps.kernel
def pool_maps_kernel(x: Array, mean: bool = False) -> Array:
    n, channels = len(x), x.shape[-1]
    sums = contiguous(x).reshape(n, -1, channels)
    pixels = sums.shape[1]
    while sums.shape[1] > 1:
        sums = add_groups(sums, rows_per_thread(sums.shape[1], 1, on_cuda(x)))
    if not mean and pixels > 1:
        return sums.reshape(n, channels)
    y = empty(x, n, channels)
    elements("resize.scaled", (y, sums, y.size, 1 / pixels), y.size)
    return y


@operation
def fill_maps(y: Array, shape: tuple[int, ...], mean: bool = False) -> Array:
    """Return x of this shape (N, ..., C) whose pixels are each y (N, C), or with `mean` y over their number."""
    xp, pixels = array_module(y), math.prod(shape[1:-1])
    y = y / y.dtype.type(pixels) if mean else y
    return xp.ascontiguousarray(xp.broadcast_to(y[:, None], (shape[0], pixels, shape[-1])).reshape(shape))


@fill_maps.kernel
def fill_maps_kernel(y: Array, shape: tuple[int, ...], mean: bool = False) -> Array:
    x, pixels, channels = empty(y, *shape), math.prod(shape[1:-1]), shape[-1]
    if x.size:
        args = (x, contiguous(y), pixels, channels, 1 / pixels if mean else 1.0)
        rows_of_blocks("resize.fill_maps", args, pixels, channels, shape[0])
    return x
