"""Pictures in and out of the network: bytes 0..255 on disk, numbers from `low` to 1 in the network.

low is -1 where G ends with tanh, 0 where it ends with a sigmoid.
"""

from __future__ import annotations

import gpunet.kernels.images
from gpunet.backend.arrays import Array, array_module, operation
from gpunet.backend.parallel import by_rows


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
def _(images: Array, dtype: str = "float32", flip: Array | None = None, low: float = -1.0) -> Array:
    return gpunet.kernels.images.images_to_real(images, dtype, flip, low)


@operation
def real_to_images(x: Array, low: float = -1.0) -> Array:
    """Turn numbers (N, H, W, C) in [low, 1] into bytes: (x - low) * 255 / (1 - low) rounded to even, clipped."""
    xp = array_module(x)
    return xp.clip(xp.rint((x - low) * x.dtype.type(255 / (1 - low))), 0, 255).astype("uint8")


@real_to_images.kernel
def _(x: Array, low: float = -1.0) -> Array:
    return gpunet.kernels.images.real_to_images(x, low)
