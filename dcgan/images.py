"""Pictures on disk: grids of samples, captions, PNG files, GIFs."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gpunet.files import write_atomically

GAP, PAPER = 2, 255  # white lines between the pictures
LETTERS = 11  # height of the letters of a caption, in pixels
COLOURS = 128  # in a palette; in a GIF twice as many make the file half as large again
SAMPLED = 200_000  # pixels of a GIF that its palette is chosen from


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Return images (N, H, W, C) as one picture (GH, GW, C), row by row, about as wide as high or of so many columns.

    Any N works; the rest of the last row stays white.
    """
    count, height, width, channels = images.shape
    columns = columns or columns_of(count, height, width)
    rows = math.ceil(count / columns)
    shape = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels)
    sheet = np.full(shape, PAPER, "uint8")
    for i, image in enumerate(images):
        top, left = (GAP + size * at for size, at in zip((height + GAP, width + GAP), divmod(i, columns), strict=True))
        sheet[top : top + height, left : left + width] = image
    return sheet


def columns_of(count: int, height: int, width: int) -> int:
    """Return the columns of a grid that is about as wide as high."""
    return min(count, max(1, math.ceil(math.sqrt(count * height / width))))


def cells(sheet: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """Return the pictures (N, H, W, C) of a grid that `grid` made of pictures of this size (H, W).

    White places behind the last picture are left out. None: the sheet's size is not that of such a grid.
    """
    rows, columns = ((side - GAP) // (length + GAP) for side, length in zip(sheet.shape[:2], size, strict=True))
    used = (rows * (size[0] + GAP) + GAP, columns * (size[1] + GAP) + GAP)
    if min(rows, columns) < 1 or sheet.shape[:2] != used:
        return None
    steps = (rows, size[0] + GAP, columns, size[1] + GAP, sheet.shape[2])
    places = sheet[GAP:, GAP:].reshape(steps)[:, : size[0], :, : size[1]].swapaxes(1, 2)  # (rows, columns, H, W, C)
    pictures = places.reshape(-1, *size, sheet.shape[2])
    drawn = np.flatnonzero((pictures != PAPER).any(axis=(1, 2, 3)))
    return pictures[: drawn[-1] + 1] if len(drawn) else pictures


def enlarged(images: np.ndarray, scale: int) -> np.ndarray:
    """Return pictures (..., H, W, C) with every pixel as a square of scale x scale pixels."""
    return images if scale == 1 else images.repeat(scale, axis=-3).repeat(scale, axis=-2)


def captioned(images: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Return images (N, H, W, C), each over its caption on a white strip: (N, H + strip, at least W, C).

    Where the longest caption is wider than a picture, white margins make the pictures as wide.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=LETTERS)
    count, height, width, channels = images.shape
    wide = max([width, *(math.ceil(font.getlength(text)) + GAP for text in captions if text)])
    left = (wide - width) // 2
    cells = np.full((count, height + LETTERS + 3, wide, channels), PAPER, "uint8")
    cells[:, :height, left : left + width] = images
    for cell, text in zip(cells, captions, strict=True):
        strip = Image.new("L", (wide, LETTERS + 3), PAPER)
        ImageDraw.Draw(strip).text((wide / 2, LETTERS / 2 + 2), text, fill=0, font=font, anchor="mm")
        cell[height:] = np.asarray(strip)[:, :, np.newaxis]
    return cells


def save_png(
    path: str | os.PathLike, image: np.ndarray, texts: Mapping[str, str] | None = None, small: bool = False
) -> None:
    """Write a uint8 picture (H, W, C), C = 1 (grey) or 3 (RGB), as PNG, atomically; texts: its text chunks by name.

    small: a colour picture keeps COLOURS colours, which makes the file a third as large.
    """
    from PIL.PngImagePlugin import PngInfo

    info, buffer = PngInfo(), io.BytesIO()
    for name, text in (texts or {}).items():
        info.add_text(name, text.encode("utf-8", "replace").decode())
    picture = _picture(image)
    if small and picture.mode == "RGB":
        picture = picture.quantize(COLOURS)
    picture.save(buffer, "PNG", pnginfo=info, optimize=small)
    write_atomically(path, buffer.getbuffer())


def read_png(path: str | os.PathLike) -> np.ndarray | None:
    """Return a picture that `save_png` wrote, uint8 (H, W, C); None where there is none, or it is damaged."""
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def save_gif(path: str | os.PathLike, frames: Iterable[np.ndarray], fps: int, comment: str = "") -> None:
    """Write uint8 pictures (H, W, C) of one shape, C = 1 (grey, exact) or 3 (RGB), as an endless GIF, atomically.

    Frames in colour share a palette: exact up to 256 colours, otherwise COLOURS colours near theirs, without dithering,
    whose noise would make the file larger. fps: pictures a second, at most 50: a GIF counts hundredths of a second, and
    below two viewers slow down.
    """
    shown = [_picture(frame) for frame in frames]
    first, *others = shown if shown[0].mode == "L" else _with_palette(np.stack([np.asarray(each) for each in shown]))
    buffer = io.BytesIO()
    options = {"duration": round(100 / fps) * 10, "loop": 0, "optimize": True}
    first.save(buffer, "GIF", save_all=True, append_images=others, comment=comment.encode(), **options)
    write_atomically(path, buffer.getbuffer())


def _with_palette(frames: np.ndarray) -> list[Any]:
    """Return frames (N, H, W, 3) as images of one palette: each pixel is then the number of a colour in it."""
    from PIL import Image

    red, green, blue = (frames[..., channel].astype("uint32") for channel in range(3))
    whole = red << 16 | green << 8 | blue  # (N, H, W): a colour as one number of 24 bits
    seen = np.zeros(1 << 24, bool)
    seen[whole] = True
    colours = np.flatnonzero(seen)
    if len(colours) <= 256:
        number = np.zeros(1 << 24, "uint8")  # of each colour
        number[colours] = np.arange(len(colours))
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1).astype("uint8").ravel().tolist()
        return [_paletted(indices, palette) for indices in number[whole]]
    pixels = frames.reshape(-1, 3)
    sampled = Image.fromarray(np.ascontiguousarray(pixels[:: -(-len(pixels) // SAMPLED)])[np.newaxis])
    chosen = sampled.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    cube = (8 * np.indices((32, 32, 32)) + 4).astype("uint8").reshape(3, 1, -1)  # every coarse colour, its middle
    nearest = Image.fromarray(cube.transpose(1, 2, 0)).quantize(palette=chosen, dither=Image.Dither.NONE)
    coarse = red >> 3 << 10 | green >> 3 << 5 | blue >> 3  # the five highest bits of each: a place in the cube
    return [_paletted(indices, chosen.getpalette() or []) for indices in np.asarray(nearest)[0][coarse]]


def _paletted(indices: np.ndarray, palette: list[int]) -> Any:
    from PIL import Image

    image = Image.fromarray(indices)
    image.putpalette(palette)
    return image


def _picture(image: np.ndarray) -> Any:
    from PIL import Image

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"got {image.dtype} of shape {image.shape}, expected uint8 (H, W, 1) or (H, W, 3)")
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
