"""Launches of images.cu: bytes to numbers and back."""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.kernels.launches import contiguous, divisor, elements, empty, on_cuda


def images_to_real(images: Any, dtype: str, flip: Any, low: float) -> Any:
    """Return x of gpunet.backend.images_to_real; flip: (N,) bool or None."""
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


def real_to_images(x: Any, low: float) -> Any:
    """Return the bytes of gpunet.backend.real_to_images."""
    x = contiguous(x)
    images = empty(x, *x.shape, dtype="uint8")
    elements("images.real_to_images", (images, x, x.size, 255 / (1 - low), low), x.size)
    return images
