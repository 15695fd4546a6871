"""LSUN's LMDB folders, whole and torn."""

import io
import struct

import pytest
from PIL import Image

from dcgan.errors import UserError
from opened import everything, noise, opened, refusal

lmdb = pytest.importorskip("lmdb")
IMAGES = noise(5, 9, 7, 3)


def encoded(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def write(folder, values):
    environment = lmdb.open(str(folder), map_size=2**22)
    with environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    environment.close()
    return folder


@pytest.fixture
def rooms(tmp_path):
    return write(tmp_path / "rooms_lmdb", {b"%03d" % number: encoded(image) for number, image in enumerate(IMAGES)})


def test_pictures_in_the_order_of_their_keys(rooms):
    source = opened(rooms, (9, 7))
    assert (everything(source) == IMAGES).all() and source.labels is None
    assert (everything(opened(rooms, (9, 7), train_size=2)) == IMAGES[[0, 2]]).all()
    assert opened(rooms, (16, 12), crop=4).shape == (5, 16, 12, 3)


def test_a_value_that_is_no_picture_is_skipped(rooms):
    write(rooms, {b"001": b"text", b"zzz\xff": b""})
    source = opened(rooms, (9, 7))
    assert (everything(source) == IMAGES[[0, 2, 3, 4]]).all()
    assert [name for name, _ in source.skipped] == ["001", r"zzz\xff"]


def test_an_empty_one(tmp_path):
    assert "holds no images" in refusal(write(tmp_path / "a", {}))


def test_a_file_cut_short_is_refused_before_it_is_mapped(rooms):
    data = rooms / "data.mdb"
    whole = data.read_bytes()
    for length in (0, 10, 200, 4096, 8192, len(whole) - 4096):
        data.write_bytes(whole[:length])
        assert "cut short" in refusal(rooms)


@pytest.mark.parametrize("at, value", [(16, 0), (40, 0), (40, 77), (40, 2**31), (136, 2**40)])
def test_damaged_heads(rooms, at, value):
    content = bytearray((rooms / "data.mdb").read_bytes())
    for page in (0, 4096):
        content[page + at : page + at + 4] = struct.pack("<I", value & 0xFFFFFFFF)
        if at == 136:
            content[page + at : page + at + 8] = struct.pack("<Q", value)
    (rooms / "data.mdb").write_bytes(content)
    assert "LMDB" in refusal(rooms)


def test_without_the_package_the_message_says_how_to_get_it(rooms, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert "pip install lmdb" in refusal(rooms)


def test_a_wrong_offset_in_a_page_is_one_line(rooms):
    content = bytearray((rooms / "data.mdb").read_bytes())
    for page in range(2, len(content) // 4096):
        damaged = bytearray(content)
        struct.pack_into("<H", damaged, page * 4096 + 16, 0x7FF0)  # where the first entry of a page lies in it
        (rooms / "data.mdb").write_bytes(damaged)
        try:
            opened(rooms, (9, 7)).close()
        except UserError as error:
            assert "\n" not in str(error)
