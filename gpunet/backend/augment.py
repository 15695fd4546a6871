"""DiffAugment: pictures change at random before D sees them, and gradients pass through (kernels/augment.cu).

Of few pictures D learns each by heart. It cannot, if it never sees one twice; and G does not learn the changes, since
its own pictures are changed in the same ways. Zhao et al., "Differentiable augmentation for data-efficient GAN
training", 2020. Each picture x (H, W, C) has seven numbers: b, s, k, down, right, top, left. With grey the mean of a
pixel's channels and `mean` that of the picture, the three changes follow one another:

    colour        z = k (s (x - grey) + grey - mean) + mean + b           brightness b, saturation s, contrast k
    translation   y[h, w] = z[h + down, w + right], and 0 where that lies outside
    cutout        y[h, w] = 0 in a rectangle of `cutout` pixels whose corner is (top, left)

The paper changes brightness, saturation and contrast one after another. Brightness moves both means by b, saturation
moves neither: so the three are the one formula above.

Backward: what y[h, w] showed gets its gradient back, all else gets 0; call that dz. The colour is linear in x, and its
matrix is symmetric: grey and `mean` take the same share of every number that they give to every number. So dx is the
first formula again, of dz in place of x, with b = 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import at_once, contiguous, divisor, empty

BRIGHTNESS, SATURATION, CONTRAST, DOWN, RIGHT, TOP, LEFT = range(7)  # places in the numbers of a picture
NUMBERS = 7
BLOCK_THREADS = 256  # as in kernels/device/block_sums.cuh


@operation
def augment(x: Array, numbers: Array, cutout: tuple[int, int] = (0, 0), colour: bool = True) -> Array:
    """Return y of pictures x (N, H, W, C) by the formulas above; numbers (N, 7).

    cutout: height and width of the rectangle, (0, 0): none. colour=False: z = x.
    Raises ValueError where the shapes do not fit.
    """
    xp = array_module(x)
    numbers = _checked(x, numbers)
    rows, columns, shown = _where(x, numbers, cutout)
    z = _coloured(x, numbers, numbers[:, BRIGHTNESS]) if colour else x
    return xp.where(shown[..., None], _gathered(z, rows, columns), 0)


@operation
def augment_backward(dy: Array, numbers: Array, cutout: tuple[int, int] = (0, 0), colour: bool = True) -> Array:
    """Return dx, the gradient of `augment`'s x, for dy (N, H, W, C)."""
    xp = array_module(dy)
    numbers = _checked(dy, numbers)
    rows, columns, shown = _where(dy, numbers, cutout)
    _, height, width, _ = dy.shape
    h, w = xp.arange(height)[None, :, None], xp.arange(width)[None, None, :]
    at = 2 * h - rows, 2 * w - columns  # h - down and w - right: where pixel (h, w) was shown
    inside = (at[0] >= 0) & (at[0] < height) & (at[1] >= 0) & (at[1] < width)
    there = inside & _gathered(shown[..., None], *at)[..., 0]
    dz = xp.where(there[..., None], _gathered(dy, *at), 0)
    return _coloured(dz, numbers, 0 * numbers[:, BRIGHTNESS]) if colour else dz


def _gathered(x: Array, rows: Array, columns: Array) -> Array:
    """Return x[n, rows, columns] for every picture n; of places outside, the nearest pixel."""
    xp, (n, height, width, _) = array_module(x), x.shape
    return x[xp.arange(n)[:, None, None], xp.clip(rows, 0, height - 1), xp.clip(columns, 0, width - 1)]


def _where(x: Array, numbers: Array, cutout: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Return the row (N, H, 1) and the column (N, 1, W) that each pixel shows, and whether it does (N, H, W)."""
    xp = array_module(x)
    down, right, top, left = (numbers[:, i].astype("int64")[:, None, None] for i in (DOWN, RIGHT, TOP, LEFT))
    h, w = xp.arange(x.shape[1])[None, :, None], xp.arange(x.shape[2])[None, None, :]
    cut = (h >= top) & (h < top + cutout[0]) & (w >= left) & (w < left + cutout[1])
    rows, columns = h + down, w + right
    inside = (rows >= 0) & (rows < x.shape[1]) & (columns >= 0) & (columns < x.shape[2])
    return rows, columns, inside & ~cut


def _coloured(x: Array, numbers: Array, brightness: Array) -> Array:
    s, k, b = (v[:, None, None, None] for v in (numbers[:, SATURATION], numbers[:, CONTRAST], brightness))
    grey, mean = x.mean(axis=3, keepdims=True), x.mean(axis=(1, 2, 3), keepdims=True)
    return k * (s * (x - grey) + grey - mean) + mean + b


@augment.kernel
def augment_kernel(x: Array, numbers: Array, cutout: tuple[int, int] = (0, 0), colour: bool = True) -> Array:
    return _launch("augment.augment", x, numbers, cutout, colour, shown_alone=False)


@augment_backward.kernel
def augment_backward_kernel(dy: Array, numbers: Array, cutout: tuple[int, int] = (0, 0), colour: bool = True) -> Array:
    return _launch("augment.augment_backward", dy, numbers, cutout, colour, shown_alone=True)


def _checked(x: Array, numbers: Array) -> Array:
    """Return the numbers in the pictures' dtype."""
    if x.ndim != 4 or numbers.shape != (len(x), NUMBERS):
        raise ValueError(f"augment: got x {x.shape} and numbers {numbers.shape}, expected (N, H, W, C) and (N, 7)")
    return numbers.astype(x.dtype, copy=False)


def _launch(entry: str, x: Array, numbers: Array, cutout: Sequence[int], colour: bool, shown_alone: bool) -> Array:
    """Launch a pass over pictures x, forward or backward, behind the sums that its colours need."""
    numbers, x = contiguous(_checked(x, numbers)), contiguous(x)
    (n, h, w, c), y = x.shape, empty(x, *x.shape)
    if not x.size:
        return y
    means = None
    if colour:
        means = empty(x, n)
        block, kernel = (BLOCK_THREADS, "means_by_blocks") if at_once(x) else (1, "means")
        kernels.launch(f"augment.{kernel}", n, block, (means, x, numbers, h, w, c, *cutout, int(shown_alone)))
    across = divisor(w, on_cuda(x))
    kernels.launch(entry, (n, h, w // across), across, (y, x, numbers, means, h, w, c, *cutout))
    return y
