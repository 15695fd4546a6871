"""Decoding: one picture file of any kind becomes one uint8 array (H, W, C)."""

from __future__ import annotations

import io
import logging
import math
import re
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from dcgan.data.recipe import Box, Recipe
from dcgan.options import Size

# Pillow may open these formats, which it reads by itself. Formats that start another program (EPS, WMF) or are no
# pictures are left out. A TGA file begins with no mark of its own, so anything passes for one: its suffix decides.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB", "ICO", "QOI", "PCX", "SGI")
TGA_SUFFIXES = (".tga", ".icb", ".vda", ".vst")
SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".jfif", ".jpe", ".jif", ".jfi", ".mpo", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif", ".jp2", ".j2k", ".jpx", ".jpf", ".dib", ".ico", ".qoi", ".pcx"),
    *(".sgi", ".rgb", ".apng", ".gray", ".grey", *TGA_SUFFIXES),
)
# How picture files begin; files with another suffix or none are told by it. (P6 is followed by a space or a new line.)
MARKS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|BM.{4}\0\0\0\0|II\*\0|MM\0\*|II\+\0|P[1-6]\s|P[fF]\n"
    rb"|....ftypavi[fs]|\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51|qoif|\0\0\x01\0[\1-\x20]\0",
    re.DOTALL,
)
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
PNG_MARK = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
ORIENTED = (b"Raw profile type ", b"XML:com.adobe.xmp")  # texts that may hold the EXIF orientation
JPEG_LIMIT = 2**28  # bytes
JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd8\x01]", re.DOTALL)  # of a segment; not those within a scan
RAW_MODE, BITS = "raw mode", "bits"  # keys of Image.info
TIFF_BITS = 258  # the tag of a TIFF that says how many bits a value has
PNG_DEPTHS = {"L;2": 85, "L;4": 17}  # what Pillow multiplies such values with
MOST_SCANS, MOST_SEGMENTS = 100, 10_000
STRIP = 2**22  # pixels that are converted in one go
logging.getLogger("PIL").addHandler(logging.NullHandler())  # what is wrong with a file is in `skipped`
# Pillow keeps pictures in blocks of 16 MB, which the C library keeps for later when a thread is done with them: two
# threads hold two pictures. Blocks of 64 MB go back to the system at once. (PIL_BLOCK_SIZE in Pillow's documentation.)
Image.core.set_block_size(2**26)
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height


def is_known(head: bytes) -> bool:
    """Whether a file that begins with these bytes (64 will do) is a picture of one of FORMATS."""
    return MARKS.match(head) is not None


def decode(file: BinaryIO, recipe: Recipe) -> np.ndarray:
    """Read, turn upright, lay over white, crop and resize (bicubic, antialiased): uint8 (H, W, C).

    The first frame of an animation is taken. Raises whatever Pillow raises for a damaged file, and ValueError for wrong
    checksums in a PNG, for a picture of more pixels than PIL.Image.MAX_IMAGE_PIXELS and for a JPEG of too many scans.
    """
    with opened(file) as picture:
        check_pixels(picture.size)
        if picture.format == "TIFF":
            picture.load()  # which turns it upright and takes the tag away, in newer versions of Pillow
        orientation = exif_orientation(picture)
        width, height = picture.size[::-1] if orientation in SIDEWAYS else picture.size
        recipe = recipe.for_picture(width, height)
        box = recipe.box(width, height)
        draft_jpeg(picture, min((box[2] - box[0]) / recipe.shape[1], (box[3] - box[1]) / recipe.shape[0]))
        image = flatten(picture, "L" if recipe.channels == 1 else "RGB")
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return np.asarray(cut(image, box, image.width / width, image.height / height, recipe)).reshape(recipe.shape)


def is_grey(file: BinaryIO) -> bool:
    """Whether the head of a picture file says that it is grey; False also where that takes decoding."""
    with opened(file) as picture:
        return picture.mode in ("1", "L", "LA") or picture.mode.startswith("I")


def opened(file: BinaryIO) -> Image.Image:
    """A picture file as Pillow sees it, not decoded yet, after the checks that come before decoding."""
    head = file.read(8)
    file.seek(0)
    if head == PNG_MARK:
        file = checked_png(file)
    elif head[:2] == b"\xff\xd8":
        check_scans(file)
    is_tga = str(getattr(file, "name", "")).lower().endswith(TGA_SUFFIXES)
    picture = Image.open(file, formats=("TGA", *FORMATS) if is_tga else FORMATS)
    if picture.format == "PNG" and picture.tile:
        picture.info[RAW_MODE] = picture.tile[0][3]  # Pillow forgets it when it decodes
    if picture.format == "TIFF" and picture.mode == "I":
        picture.info[BITS] = tiff_bits(picture)
    return picture


def tiff_bits(picture: Any) -> int:
    """How many bits a value of a TIFF in grey has."""
    return int(picture.tag_v2.get(TIFF_BITS, (0,))[0])


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


def checked_png(file: BinaryIO) -> BinaryIO:
    """A PNG without the chunks that nothing here needs: texts, which may unpack to gigabytes, and colour profiles.

    Kept are texts that may say how to turn the picture upright. Raises ValueError for a wrong checksum in the chunks
    that hold the pixels, which Pillow does not check.
    """
    kept, kind, dropped = [file.read(8)], b"", False
    while kind != b"IEND":
        header = file.read(8)
        if len(header) < 8:
            raise ValueError("the PNG ends before its last chunk")
        length, kind = struct.unpack(">I4s", header)
        data, checksum = file.read(length), file.read(4)
        if kind in (b"PLTE", b"IDAT") and struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))) != checksum:
            raise ValueError(f"wrong checksum in the PNG chunk {kind.decode()}")
        if kind == b"iCCP" or (kind in PNG_TEXTS and not data.startswith(ORIENTED)):
            dropped = True
        else:
            kept += [header, data, checksum]
    file.seek(0)
    return io.BytesIO(b"".join(kept)) if dropped else file


def check_scans(file: BinaryIO) -> None:
    """Raise ValueError for a JPEG of more scans or segments than any camera or program writes.

    libjpeg walks through the whole picture for every scan, and a scan may take no more than ten bytes of the file.
    """
    data = file.read(JPEG_LIMIT + 1)
    file.seek(0)
    if len(data) > JPEG_LIMIT:
        raise ValueError(f"a JPEG of more than {JPEG_LIMIT:,} bytes")
    at, scans = 2, 0
    for _ in range(MOST_SEGMENTS):
        found = JPEG_MARKER.search(data, at)
        if found is None or found[0][-1] == 0xD9:  # the end
            return
        scans += found[0][-1] == 0xDA
        if scans > MOST_SCANS:
            raise ValueError(f"a JPEG of more than {MOST_SCANS} scans: decoding it would take very long")
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise ValueError(f"a JPEG of more than {MOST_SEGMENTS:,} segments")


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
    """Any picture as "L" or "RGB": 16 bits to 8, transparency over white, palette and CMYK to colours.

    A large picture is done strip by strip, so that its steps are never in memory as a whole.
    """
    frame = frame_box(picture)
    picture.load()
    mend_transparency(picture)
    if picture.width * picture.height <= STRIP:
        image = flat(picture, mode)
    else:
        image = Image.new(mode, picture.size)
        rows = max(1, STRIP // picture.width)
        for top in range(0, picture.height, rows):
            strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
            strip.info = picture.info
            image.paste(flat(strip, mode), (0, top))
    if frame is None:
        return image
    white = Image.new(mode, picture.size, "white")
    white.paste(image.crop(frame), frame[:2])
    return white


def flat(picture: Image.Image, mode: str) -> Image.Image:
    """`flatten` of a strip."""
    transparent = picture.info.get("transparency")
    if picture.mode.startswith("I"):
        image = sixteen_to_eight_bits(picture)
        if isinstance(transparent, int):
            image = Image.fromarray(np.where(np.asarray(picture) == transparent, np.uint8(255), np.asarray(image)))
        return image.convert(mode)
    if picture.mode == "F":
        return float_to_eight_bits(picture).convert(mode)
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, colours)
    return picture.convert(mode)


def mend_transparency(picture: Image.Image) -> None:
    """Correct what the file or Pillow says of a loaded picture's transparency, where it does not mean what it says.

    A BMP or TGA of 32 bits whose alpha is 0 everywhere is opaque: many programs leave that byte unused. The transparent
    value of a PNG is of the depth of the file, 2, 4 or 16 bits, and Pillow compares it with 8.
    """
    if picture.format in ("BMP", "DIB", "TGA") and picture.mode == "RGBA" and not np.asarray(picture)[..., 3].any():
        picture.putalpha(255)
    value, depth = picture.info.get("transparency"), PNG_DEPTHS.get(raw_mode(picture), 1)
    if picture.format != "PNG":
        return
    if depth > 1 and isinstance(value, int):
        picture.info["transparency"] = value * depth
    elif isinstance(value, tuple) and max(value, default=0) > 255:
        picture.info["transparency"] = tuple(number >> 8 for number in value)


def frame_box(picture: Image.Image) -> tuple[int, int, int, int] | None:
    """The box of an animation's first frame where that is smaller than the canvas and Pillow would show no gap, else
    None. Around the frame the canvas is transparent."""
    opened: Any = picture
    if picture.format == "GIF":
        box = opened.tile[0][1] if opened.tile else None
    elif picture.format == "WEBP" and picture.mode == "RGB" and getattr(picture, "is_animated", False):
        box = webp_frame(opened.fp)
    else:
        return None
    return None if box is None or box == (0, 0, *picture.size) else box


def webp_frame(file: BinaryIO) -> tuple[int, int, int, int] | None:
    """The box of a WebP animation's first frame. (https://developers.google.com/speed/webp/docs/riff_container)"""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind == b"ANMF":
            x, y, w, h = (int.from_bytes(file.read(3), "little") for _ in range(4))
            return 2 * x, 2 * y, 2 * x + w + 1, 2 * y + h + 1
        file.seek(length + length % 2, 1)
    return None


def raw_mode(picture: Image.Image) -> str:
    """How the file stores a value, as Pillow writes it: "L;2" is grey of 2 bits; noted by `opened` before decoding."""
    return picture.info.get(RAW_MODE, "")


def sixteen_to_eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255, rounded (Pillow's own conversion clips, or differs between its versions)."""
    values = np.asarray(picture)
    if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
        raise ValueError(f"whole numbers from {values.min()} to {values.max()}: expected 0 to 65535")
    if picture.info.get(BITS) == 32 and 0 < values.max() <= 255:  # meant as 8 bits, or as 16 and nearly black?
        raise ValueError("whole numbers of 32 bits that are all at most 255: save them as 8 bits")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def float_to_eight_bits(picture: Image.Image) -> Image.Image:
    """Scale 0..1 to 0..255, rounded; ValueError for floating-point pixels that are no such shares."""
    values = np.asarray(picture)
    if not (values.min() >= -1e-6 and values.max() <= 1 + 1e-6):
        raise ValueError(f"floating-point pixels from {values.min():g} to {values.max():g}: expected 0 to 1")
    return Image.fromarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8))
