"""Pictures on disk: grids of samples, PNG files, GIFs."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from gpunet.files import write_atomically

GAP, PAPER = 2, 255  # white lines between the pictures


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Return images (N, H, W, C) as one picture (GH, GW, C), row by row, about as wide as high or of so many columns.

    Any N works; the rest of the last row stays white.
    """
    count, height, width, channels = images.shape
    columns = columns or min(count, max(1, math.ceil(math.sqrt(count * height / width))))
    rows = math.ceil(count / columns)
    shape = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels)
    sheet = np.full(shape, PAPER, "uint8")
    for i, image in enumerate(images):
        top, left = (GAP + size * at for size, at in zip((height + GAP, width + GAP), divmod(i, columns), strict=True))
        sheet[top : top + height, left : left + width] = image
    return sheet


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write a uint8 picture (H, W, C), C = 1 (grey) or 3 (RGB), as PNG, atomically."""
    buffer = io.BytesIO()
    _picture(image).save(buffer, "PNG")
    write_atomically(path, buffer.getbuffer())


def save_gif(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: int) -> None:
    """Write uint8 pictures (H, W, C), C = 1 (exact) or 3 (256 colours each), as a GIF without end, atomically.

    fps: pictures a second, at most 50: a GIF counts hundredths of a second, and below two viewers slow down.
    """
    first, *others = [_picture(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=round(100 / fps) * 10, loop=0)
    write_atomically(path, buffer.getbuffer())


def _picture(image: np.ndarray) -> Any:
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"got {image.dtype} of shape {image.shape}, expected uint8 (H, W, 1) or (H, W, 3)")
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
