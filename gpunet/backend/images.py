"""Pictures in and out of the network: bytes 0..255 on disk, numbers in [-1, 1] (the range of tanh) in the network."""

from __future__ import annotations

import kernels.images
from gpunet.backend.arrays import Array, array_module, operation
from gpunet.backend.parallel import by_rows


@operation
def images_to_real(images: Array, dtype: str = "float32", flip: Array | None = None) -> Array:
    """Turn bytes (N, H, W, C) into x / 127.5 - 1 in [-1, 1]; images whose flip (N,) is true are mirrored left-right."""
    xp = array_module(images)
    x = xp.empty(images.shape, dtype)

    def body(x: Array, images: Array) -> None:
        xp.multiply(images, x.dtype.type(1 / 127.5), out=x)
        x -= 1

    by_rows(body, x, images)
    if flip is not None:
        x[flip] = x[flip][:, :, ::-1]
    return x


@images_to_real.kernel
def _(images: Array, dtype: str = "float32", flip: Array | None = None) -> Array:
    return kernels.images.images_to_real(images, dtype, flip)


@operation
def real_to_images(x: Array) -> Array:
    """Turn numbers (N, H, W, C) in [-1, 1] into bytes: (x + 1) * 127.5 rounded to even, clipped to 0..255."""
    xp = array_module(x)
    return xp.clip(xp.rint((x + 1) * x.dtype.type(127.5)), 0, 255).astype("uint8")


@real_to_images.kernel
def _(x: Array) -> Array:
    return kernels.images.real_to_images(x)
