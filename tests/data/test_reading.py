"""Reading many pictures: damaged and hostile files are skipped and listed with a reason, and the rest is read."""

import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source
from opened import everything, only_skipped, opened, png_bytes, refusal


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    Image.new("RGB", (9, 9), "green").save(data / "sound.png")
    return data


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "gif", "webp"])
@pytest.mark.parametrize("kept", [0, 0.02, 0.5, 0.9])
def test_truncated(folder, suffix, kept):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = folder / f"torn.{suffix}"
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert only_skipped(folder, path.name)


def test_flipped_bytes_in_a_png(folder, tmp_path):
    data = bytearray(png_bytes(tmp_path))
    data[len(data) // 2] ^= 0xFF
    (folder / "bad.png").write_bytes(data)
    assert only_skipped(folder, "bad.png")


def test_text_and_other_formats_under_a_pictures_name(folder):
    (folder / "a.png").write_text("hello")
    assert only_skipped(folder, "a.png") == "not a picture of a known format"
    Image.new("RGB", (9, 9)).save(folder / "a.png", format="EPS")  # reading it would start another program
    assert only_skipped(folder, "a.png") == "not a picture of a known format"


def test_a_picture_of_another_known_format_than_its_name_says_is_read(folder):
    Image.new("RGB", (9, 9), "blue").save(folder / "a.png", format="JPEG")
    assert open_source(folder, (8, 8), progress=False).skipped == []


def test_ten_thousand_by_ten_thousand(folder):
    Image.new("1", (10_000, 10_000)).save(folder / "vast.png")
    assert only_skipped(folder, "vast.png").startswith("10000x10000 pixels, more than the")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_header_that_claims_a_vast_picture(folder):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    assert "pixels" in only_skipped(folder, "bomb.png")


def test_a_damaged_exif_block_costs_nothing(folder):
    Image.new("RGB", (9, 9), "blue").save(folder / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xffgarbage")
    source = open_source(folder, (8, 8), progress=False)
    assert len(source) == 2 and source.skipped == []


def test_names_that_no_terminal_can_show(folder):
    name = b"new\nline \x1b[31m \xff.png"
    with open(os.fsencode(folder) + b"/" + name, "w") as file:
        file.write("text")
    assert only_skipped(folder, "new line \\x1b[31m \\udcff.png")


GOOD = np.full((8, 8, 3), (10, 200, 30), np.uint8)


def png(width, height, data):
    """A grey PNG of any claimed size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
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
def hostile(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(GOOD).save(data / "good.png")
    Image.fromarray(GOOD[:1, :1]).save(data / "one pixel.png")
    for name, content in HOSTILE.items():
        (data / name).write_bytes(content)
    return data


def test_bad_files_are_listed_and_good_ones_read(hostile):
    source = opened(hostile, (8, 8))
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
