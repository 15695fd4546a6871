"""A folder of files that were made to hurt: every one is a listed skip, and what is good is still read."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from opened import everything, opened, refusal

GOOD = np.full((8, 8, 3), (10, 200, 30), np.uint8)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data):
    """A grey PNG of any claimed size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


HOSTILE = {
    "text.png": b"This is not a picture.",
    "empty.jpg": b"",
    "program.png": b"\x7fELF" + bytes(100),
    "page.jpg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "huge.png": png(10_000, 10_000, zlib.compress(bytes(100))),
    "endless.png": png(2**31 - 1, 2**31 - 1, zlib.compress(bytes(100))),
    "nothing.png": png(0, 0, b""),
    "short.png": png(3000, 3000, zlib.compress(bytes(2**16))),
    "script.gif": b"%!PS-Adobe\n(/etc/passwd) (r) file",
}


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(GOOD).save(data / "good.png")
    Image.fromarray(GOOD[:1, :1]).save(data / "one pixel.png")
    for name, content in HOSTILE.items():
        (data / name).write_bytes(content)
    return data


def test_bad_files_are_listed_and_good_ones_read(folder):
    source = opened(folder, (8, 8))
    assert (everything(source) == GOOD[0, 0]).all() and len(source) == 2
    skipped = dict(source.skipped)
    assert set(skipped) == set(HOSTILE)
    assert "10000x10000 pixels" in skipped["huge.png"]
    assert skipped["text.png"] == skipped["program.png"] == "not a picture of a known format"
    assert all("\n" not in reason and reason for reason in skipped.values())


def test_a_real_picture_of_ten_thousand_squared_pixels(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    tracemalloc.start()
    assert "10000x10000 pixels, more than" in refusal(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_folder_of_nothing_but_bad_files(tmp_path):
    for name, content in HOSTILE.items():
        (tmp_path / name).write_bytes(content)
    assert f"none of the {len(HOSTILE)} image files" in refusal(tmp_path)
