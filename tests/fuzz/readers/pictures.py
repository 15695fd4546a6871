"""Pictures of every kind that Pillow opens, mutated along their chunks, segments, boxes, directories and headers."""

from __future__ import annotations

import contextlib
import functools
import io
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.fuzz.changes import WHOLE, damaged, fields
from tests.fuzz.task import Task

SIZE = (8, 8)
PIXELS = np.random.default_rng(0).integers(
    0, 256, (*SIZE, 3), dtype=np.uint8
)  # of the sound picture beside the odd one
# What is written: (suffix, format, mode, options of Pillow's writer).
KINDS: list[tuple[str, str, str, dict[str, Any]]] = [
    (".png", "PNG", "RGB", {}), (".png", "PNG", "P", {"transparency": b"\0\x80"}), (".png", "PNG", "RGBA", {}),
    (".png", "PNG", "L", {"transparency": 7}), (".png", "PNG", "I;16", {}), (".png", "PNG", "1", {}),
    (".apng", "PNG", "RGB", {"save_all": True}), (".jpg", "JPEG", "RGB", {"exif": b"exif"}), (".jpe", "JPEG", "L", {}),
    (".jpeg", "JPEG", "CMYK", {"progressive": True}),
    (".jpg", "JPEG", "RGB", {"progressive": True, "restart_marker_blocks": 1}),
    (".mpo", "MPO", "RGB", {"save_all": True}), (".gif", "GIF", "P", {"transparency": 3, "save_all": True}),
    (".bmp", "BMP", "RGB", {}), (".bmp", "BMP", "P", {}), (".bmp", "BMP", "RGBA", {}), (".dib", "DIB", "RGB", {}),
    (".webp", "WEBP", "RGB", {}), (".webp", "WEBP", "RGBA", {"lossless": True, "save_all": True}),
    (".tif", "TIFF", "RGB", {}), (".tiff", "TIFF", "L", {"compression": "tiff_lzw"}), (".tif", "TIFF", "F", {}),
    (".tif", "TIFF", "RGBA", {"compression": "tiff_adobe_deflate"}), (".tif", "TIFF", "1", {"compression": "group4"}),
    (".tif", "TIFF", "I;16", {"compression": "packbits"}), (".tif", "TIFF", "RGB", {"compression": "jpeg"}),
    (".ppm", "PPM", "RGB", {}), (".pgm", "PPM", "L", {}), (".pbm", "PPM", "1", {}), (".pfm", "PPM", "F", {}),
    (".jp2", "JPEG2000", "RGB", {}), (".j2k", "JPEG2000", "L", {"no_jp2": True}), (".avif", "AVIF", "RGB", {}),
    (".ico", "ICO", "RGBA", {"sizes": [(16, 16)]}),
    (".ico", "ICO", "RGBA", {"sizes": [(16, 16)], "bitmap_format": "bmp"}),
    (".qoi", "QOI", "RGB", {}), (".pcx", "PCX", "P", {}), (".pcx", "PCX", "RGB", {}), (".sgi", "SGI", "RGB", {}),
    (".rgb", "SGI", "L", {"rle": True}), (".tga", "TGA", "RGBA", {"compression": "tga_rle"}), (".tga", "TGA", "P", {}),
]  # fmt: skip


def places(order: str, offsets: Mapping[int, Iterable[int]]) -> list[tuple[int, int, str]]:
    """Return fields (offset, size, order) of a header, given as {size: offsets}."""
    return [(at, size, order) for size in offsets for at in offsets[size]]


# Fields of headers: lengths, widths, heights, depths, counts.
HEADERS = {
    "BMP": places("little", {4: [2, 10, *range(14, 70, 4)], 2: [26, 28]}),
    "DIB": places("little", {4: range(0, 40, 4), 2: [12, 14]}),
    "GIF": places("little", {2: [6, 8], 1: [10, 11]}),
    "ICO": places("little", {2: range(0, 22, 2), 4: [14, 18, *range(22, 62, 4)]}),
    "QOI": places("big", {4: [4, 8], 1: [12, 13]}),
    "PCX": places("little", {1: [1, 3, 65], 2: [*range(4, 16, 2), 66]}),
    "SGI": places("big", {1: [2, 3], 2: [4, 6, 8, 10], 4: [104, 512]}),
    "TGA": places("little", {1: [0, 1, 2, 7, 16, 17], 2: range(3, 16, 2)}),
}
IHDR = places("big", {4: [0, 4], 1: range(8, 13)})  # the head of a PNG: width, height, depth, colours and so on
PNG_EXTRA = [b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"zTXt", b"tEXt", b"iTXt", b"acTL", b"fcTL", b"fdAT", b"gAMA", b"IDAT"]
Part = bytes


@functools.cache
def sound(number: int) -> bytes:
    """Return a sound picture of kind `number`."""
    _, kind, mode, options = KINDS[number]
    options = dict(options)
    if "exif" in options:
        options["exif"] = exif(6)
    frames = [as_mode(np.roll(PIXELS, shift, 0).repeat(2, 0).repeat(2, 1), mode) for shift in (0, 1)]
    if options.get("save_all"):
        options["append_images"] = frames[1:]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int) -> Any:
    """Return an EXIF block that holds an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block


def as_mode(pixels: np.ndarray, mode: str) -> Image.Image:
    """Return pixels as a picture of any of Pillow's modes."""
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    if mode == "F":
        return Image.fromarray(pixels[..., 0].astype(np.float32) / 255)
    return Image.fromarray(pixels).convert(mode)


def split_png(data: bytes) -> list[Part]:
    """Return the mark and the chunks of a PNG."""
    parts, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at:end])
        at = end
    return parts


def chunk(kind: bytes, data: bytes) -> Part:
    """Return a chunk of a PNG with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def change_png(random: Random, part: Part) -> Part:
    """Return a chunk of other content, sealed by a right checksum; or of another kind; or a new one."""
    kind, data = part[4:8], part[8:-4]
    if kind == b"IHDR" and random.random() < 0.8:
        return chunk(kind, fields(random, data, IHDR))
    if random.random() < 0.3:
        content = random.choice((data, b"", random.randbytes(random.choice((1, 3, 6, 26, 700)))))
        return chunk(random.choice(PNG_EXTRA), content)
    if kind == b"IDAT" and random.random() < 0.5:
        with contextlib.suppress(zlib.error):  # it was damaged before
            pixels = zlib.decompress(data)
            pixels = random.choice((damaged(random, pixels), pixels[: len(pixels) // 2], bytes(10**6)))
            return chunk(kind, zlib.compress(pixels))
    return chunk(kind, damaged(random, data))


def split_jpeg(data: bytes) -> list[Part]:
    """Return the segments of a JPEG; the entropy-coded pixels belong to the segment before them."""
    starts = [
        at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF, *range(0xD0, 0xD8))
    ]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def change_jpeg(random: Random, part: Part) -> Part:
    """Return a segment with other fields, another marker or another length."""
    if part[1] in (0xC0, 0xC1, 0xC2) and random.random() < 0.8:  # the frame: depth, height, width, components
        return fields(random, part, places("big", {1: [4, *range(9, len(part))], 2: [5, 7]}))
    if part[1] == 0xE1 and random.random() < 0.8:  # EXIF: a TIFF directory
        return part[:10] + change_tiff(random, part[10:])
    if random.random() < 0.3:
        return bytes([0xFF, random.randrange(0xC0, 0x100)]) + part[2:]
    return fields(random, part, [(at, random.choice((1, 2)), "big") for at in range(2, min(len(part), 40))])


def split_riff(data: bytes) -> list[Part]:
    """Return the head and the chunks of a WebP."""
    parts, at = [data[:12]], 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        parts.append(data[at : at + 8 + length + length % 2])
        at += 8 + length + length % 2
    return parts


def split_boxes(data: bytes) -> list[Part]:
    """Return the boxes of an AVIF or JPEG 2000 file."""
    parts, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        length = length if length >= 8 else len(data) - at
        parts.append(data[at : at + length])
        at += length
    return parts


def change_box(random: Random, part: Part) -> Part:
    """Return a box, or a chunk of RIFF, with other fields."""
    order = "little" if part[:4].isalpha() else "big"
    return fields(random, part, [(at, random.choice((1, 2, 4)), order) for at in range(min(len(part), 400))])


def change_tiff(random: Random, data: bytes) -> bytes:
    """Return a TIFF whose directory has other tags, types, counts, values or offsets."""
    order = "little" if data[:2] == b"II" else "big"
    first = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    count = int.from_bytes(data[first : first + 2], order)  # type: ignore[arg-type]
    found = [(4, 4, order), (first, 2, order)]
    for at in range(first + 2, min(first + 2 + 12 * count, len(data) - 12), 12):
        found += [(at, 2, order), (at + 2, 2, order), (at + 4, 4, order), (at + 8, 4, order), (at + 8, 2, order)]
    return fields(random, data, found)


def change_text(random: Random, data: bytes) -> bytes:
    """Return a PPM whose head has other numbers."""
    head, rest = data[:16], data[16:]
    number = str(random.choice(WHOLE)).encode()
    old = random.choice([word for word in head.split() if word.isdigit()] or [b"1"])
    return head.replace(old, random.choice((number, b"-" + number, b"#", b"1" * 300, b"")), 1) + rest


SPLIT: dict[str, tuple[Callable[[bytes], list[Part]], Callable[[Random, Part], Part]]] = {
    "PNG": (split_png, change_png), "JPEG": (split_jpeg, change_jpeg), "MPO": (split_jpeg, change_jpeg),
    "WEBP": (split_riff, change_box), "AVIF": (split_boxes, change_box), "JPEG2000": (split_boxes, change_box),
}  # fmt: skip


def rearranged(random: Random, parts: list[Part], change: Callable[[Random, Part], Part]) -> bytes:
    """Return parts of a file with one or two of them changed, left out, doubled or moved."""
    parts = list(parts)
    for _ in range(random.randint(1, 2)):
        at, kind = random.randrange(len(parts)), random.randrange(8)
        if kind == 0 and len(parts) > 1:
            del parts[at]
        elif kind == 1:
            parts.insert(random.randrange(len(parts) + 1), parts[at])
        elif kind == 2:
            other = random.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        else:
            parts[at] = change(random, parts[at])
    return b"".join(parts)


def changed(random: Random, number: int) -> bytes:
    """Return a mutated picture of kind `number`."""
    data, kind = sound(number), KINDS[number][1]
    if random.random() < 0.3:
        return damaged(random, data)
    if kind in SPLIT:
        return rearranged(random, SPLIT[kind][0](data), SPLIT[kind][1])
    if kind == "TIFF":
        return change_tiff(random, data)
    return fields(random, data, HEADERS[kind]) if kind in HEADERS else change_text(random, data)


def save_sound(path: Path) -> None:
    """Write the sound picture."""
    Image.fromarray(PIXELS).save(path, "PNG")


def make(random: Random, place: Path) -> Task:
    """A folder of one mutated picture and a sound one, whose pixels have to come out right."""
    number = random.randrange(len(KINDS))
    suffix = random.choice((KINDS[number][0], KINDS[number][0], "", ".jpg", ".tga", ".dat"))
    (place / "data").mkdir()
    (place / "data" / f"a{suffix}").write_bytes(changed(random, number))
    save_sound(place / "data/sound.png")
    if random.random() < 0.7:
        return Task("open", ["data"], {"image_size": SIZE, "channels": 3}, sound=True)
    options = {"image_size": random.choice((SIZE, (1, 1), (3, 17))), "crop": random.choice((None, 1, 5, (900, 2)))}
    return Task("open", ["data"], options | {"channels": random.choice((None, 1, 3))})
