"""Pictures in and out of the network: bytes from 0 to 255 on disk, numbers from `low` to 1 in the network.

low is -1 where the generator ends with tanh, 0 where it ends with a sigmoid. The kernels are in kernels/images.cu.
"""

from __future__ import annotations

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import contiguous, divisor, elements, empty
from gpunet.backend.threads import by_rows


@operation
def images_to_real(images: Array, dtype: str = "float32", flip: Array | None = None, low: float = -1.0) -> Array:
    """Turn bytes (N, H, W, C) into numbers in [low, 1]: x / 127.5 - 1, or x / 255 for low = 0.

    Images whose flip (N,) is true are mirrored left-right.
    """
    xp = array_module(images)
    x = xp.empty(images.shape, dtype)

    def body(x: Array, images: Array) -> None:
        xp.multiply(images, x.dtype.type((1 - low) / 255), out=x)
        x += low

    by_rows(body, x, images)
    if flip is not None:
        x[flip] = x[flip][:, :, ::-1]
    return x


@images_to_real.kernel
def images_to_real_kernel(images: Array, dtype: str = "float32", flip: Array | None = None, low: float = -1.0) -> Array:
    n, h, w, c = images.shape
    if flip is not None and flip.shape != (n,):
        raise ValueError(f"images_to_real: got flip of shape {flip.shape}, expected ({n},), one per image")
    images, x, factor = contiguous(images), empty(images, n, h, w, c, dtype=dtype), (1 - low) / 255
    if flip is None:
        elements("images.images_to_real", (x, images, x.size, factor, low), x.size)
    elif x.size:
        across = divisor(w * c, on_cuda(x))
        args = (x, images, flip, h, w * c, c, factor, low)
        kernels.launch("images.flipped_images_to_real", (n * h, w * c // across), across, args)
    return x


@operation
def real_to_images(x: Array, low: float = -1.0) -> Array:
    """Turn numbers (N, H, W, C) in [low, 1] into bytes: (x - low) * 255 / (1 - low) rounded to even, clipped."""
    xp = array_module(x)
    return xp.clip(xp.rint((x - low) * x.dtype.type(255 / (1 - low))), 0, 255).astype("uint8")


@real_to_images.kernel
def real_to_images_kernel(x: Array, low: float = -1.0) -> Array:
    x = contiguous(x)
    images = empty(x, *x.shape, dtype="uint8")
    elements("images.real_to_images", (images, x, x.size, 255 / (1 - low), low), x.size)
    return images
