"""Damaged and hostile files: each is skipped and listed with its reason, and the rest is read."""

import os
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from dcgan.data import open_source


def png_bytes(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    return (tmp_path / "whole.png").read_bytes()


def only_skipped(folder, name):
    """Open a folder that also holds a sound picture; check that just `name` was left out; return the reason."""
    source = open_source(folder, (8, 8), progress=False)
    assert [skipped for skipped, _ in source.skipped] == [name]
    assert len(source) >= 1
    return source.skipped[0][1]


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
    Image.new("RGB", (9, 9)).save(folder / "a.png", format="TIFF")
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(folder):
    (folder / "locked").mkdir(mode=0)
    assert "Permission denied" in only_skipped(folder, "locked/")


@pytest.fixture
def archive(tmp_path):
    """Write a .zip of a sound picture and these members; return its path."""

    def write(**members):
        with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("sound.png", png_bytes(tmp_path))
            for name, data in members.items():
                file.writestr(name, data)
        return tmp_path / "data.zip"

    return write


def test_member_names_that_point_elsewhere_are_only_names(archive, tmp_path):
    data = png_bytes(tmp_path)
    path = archive(**{"../../outside.png": data, "/absolute.png": data, "C:\\windows.png": data})
    before = sorted(os.walk(tmp_path.parent))
    source = open_source(path, (8, 8), progress=False)
    assert len(source) == 4 and source.skipped == []
    assert sorted(os.walk(tmp_path.parent)) == before


def test_a_member_too_large_unpacked(archive, monkeypatch):
    monkeypatch.setattr("dcgan.data.formats.folder.MEMBER_LIMIT", 100_000)
    assert (
        only_skipped(archive(**{"bomb.png": bytes(1_000_000)}), "bomb.png")
        == "claims 1,000,000 bytes unpacked, more than 100,000"
    )


def test_a_member_that_is_larger_than_it_claims(archive):
    path = archive(**{"liar.png": bytes(1_000_000)})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    assert "CRC" in only_skipped(path, "liar.png")


def test_an_encrypted_member(archive):
    path = archive(**{"secret.png": b"x"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the second entry's flags, in both headers
        at = data.index(signature, data.index(signature) + 1)
        data[at + offset] |= 1
    path.write_bytes(data)
    assert only_skipped(path, "secret.png") == "encrypted in the .zip"


def test_a_zip_cut_short(archive):
    (path := archive()).write_bytes(archive().read_bytes()[:-30])
    with pytest.raises(ValueError, match="not a readable .zip"):
        open_source(path, (8, 8))
