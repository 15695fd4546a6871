"""Decoding: one picture file of any kind becomes one uint8 array (H, W, C)."""

from __future__ import annotations

import math
import struct
import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

from dcgan.data.recipe import Box, Recipe
from dcgan.options import Size

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")
EXIF_ORIENTATION = 0x0112
# How to turn a picture upright, for each value of the EXIF orientation tag; 1 means that it is upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height


def decode(file: BinaryIO, recipe: Recipe) -> np.ndarray:
    """Read, turn upright, lay over white, crop and resize (bicubic, antialiased): uint8 (H, W, C).

    The first frame of an animation is taken. Raises whatever Pillow raises for a damaged file, and ValueError for wrong
    checksums in a PNG and for a picture of more pixels than PIL.Image.MAX_IMAGE_PIXELS.
    """
    with Image.open(file, formats=FORMATS) as picture:
        check_pixels(picture.size)
        orientation = exif_orientation(picture)
        width, height = picture.size[::-1] if orientation in SIDEWAYS else picture.size
        box = recipe.box(width, height)
        draft_jpeg(picture, min((box[2] - box[0]) / recipe.shape[1], (box[3] - box[1]) / recipe.shape[0]))
        image = flatten(picture, "L" if recipe.channels == 1 else "RGB")
        if picture.format == "PNG":
            check_png(file)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return np.asarray(cut(image, box, image.width / width, image.height / height, recipe)).reshape(recipe.shape)


def cut(image: Image.Image, box: Box, fx: float, fy: float, recipe: Recipe) -> Image.Image:
    """The box of a picture, resized to the recipe's size.

    The box is given in pixels of the full size; fx and fy say how much smaller the picture was decoded (0.5: half).
    """
    left, right = (min(x * fx, image.width) for x in box[::2])
    top, bottom = (min(y * fy, image.height) for y in box[1::2])
    if recipe.crop:  # cut first: pixels outside the crop must not mix into its edge
        x, y = math.floor(left), math.floor(top)
        image = image.crop((x, y, math.ceil(right), math.ceil(bottom)))
        left, top, right, bottom = left - x, top - y, right - x, bottom - y
    return image.resize(recipe.image_size[::-1], Image.Resampling.BICUBIC, box=(left, top, right, bottom))


def check_pixels(size: Size) -> None:
    """Raise ValueError for a picture whose pixels would take very much memory, such as a decompression bomb."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and size[0] * size[1] > limit:
        raise ValueError(f"{size[0]}x{size[1]} pixels, more than the {limit:,} that Pillow allows")


def check_png(file: BinaryIO) -> None:
    """Raise ValueError for a wrong checksum in the chunks that hold the pixels; Pillow does not check them."""
    file.seek(8)
    kind = b""
    while kind != b"IEND":
        header = file.read(8)
        if len(header) < 8:
            raise ValueError("the PNG ends before its last chunk")
        length, kind = struct.unpack(">I4s", header)
        data, checksum = file.read(length), file.read(4)
        if kind in (b"PLTE", b"IDAT") and struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))) != checksum:
            raise ValueError(f"wrong checksum in the PNG chunk {kind.decode()}")


def exif_orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where the EXIF block is damaged: the picture itself may be sound."""
    try:
        return picture.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  (Pillow raises half a dozen kinds here)
        return 1


def draft_jpeg(picture: Image.Image, shrink: float) -> None:
    """Have libjpeg decode at 1/2, 1/4 or 1/8 of the size, where that is still at least the final size."""
    factor = next(f for f in (8, 4, 2, 1) if f <= max(shrink, 1))
    if picture.format in ("JPEG", "MPO") and factor > 1:
        picture.draft(None, (picture.width // factor, picture.height // factor))


def flatten(picture: Image.Image, mode: str) -> Image.Image:
    """Any picture as "L" or "RGB": 16 bits to 8, transparency over white, palette and CMYK to colours."""
    if picture.mode.startswith("I"):
        return sixteen_to_eight_bits(picture).convert(mode)
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, colours)
    return picture.convert(mode)


def sixteen_to_eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, rounded (Pillow's own conversion clips, or differs between its versions)."""
    values = np.asarray(picture).clip(0, 65535).astype(np.uint32)
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
