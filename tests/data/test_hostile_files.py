"""Files made to hang, crash or fill the memory end in one line; what is damaged is noticed."""

import io
import struct
import zlib

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan.data import opening
from dcgan.data.formats import checker
from dcgan.data.formats.folder import FolderListing
from dcgan.data.recipe import Recipe
from dcgan.data.storage import packing
from dcgan.data.storage.store import Store
from dcgan.errors import UserError
from opened import everything, make, noise, only_skipped, open_small, opened, refusal, write_hdf5


def test_a_jpeg_of_many_scans(tmp_path):
    make(tmp_path, "sound.png")
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "JPEG", progressive=True)
    scan, content = b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00", buffer.getvalue()
    for inserted in (scan * 200, b"\xff\xfe\x00\x04\xff\xd9" + scan * 200, (b"\xff\xfe\x00\x02" + scan) * 200):
        (tmp_path / "bomb.jpg").write_bytes(content[:-2] + inserted + b"\xff\xd9")
        assert "scans" in only_skipped(tmp_path, "bomb.jpg")
    (tmp_path / "bomb.jpg").write_bytes(content[:-2] + b"\xff\xfe\x00\x02" * 20_000 + b"\xff\xd9")
    assert "segments" in only_skipped(tmp_path, "bomb.jpg")
    (tmp_path / "bomb.jpg").write_bytes(content + scan * 200)  # behind the end lies anything: a film, say
    assert len(open_small(tmp_path)) == 2


def with_chunk(kind, data):
    """A sound PNG of one colour with another chunk in it."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (200, 100, 50)).save(buffer, "PNG")
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return buffer.getvalue()[:33] + chunk + buffer.getvalue()[33:]


@pytest.mark.parametrize(
    "kind, head", [(b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"tEXt", b"a\0"), (b"iCCP", b"a\0\0")]
)
def test_texts_of_a_png_of_any_length_do_no_harm(tmp_path, kind, head):
    text = bytes(100_000_000) if kind != b"tEXt" else b"x" * 3_000_000
    data = head + (text if kind == b"tEXt" else zlib.compress(text, 1))
    (tmp_path / "a.png").write_bytes(with_chunk(kind, data))
    assert (everything(open_small(tmp_path)) == (200, 100, 50)).all()


@pytest.mark.parametrize("name", ["skipped", "classes"])
def test_texts_of_an_hdf5_file_never_come_from_elsewhere(tmp_path, name):
    (tmp_path / "secret").write_bytes(b"a line of another file".ljust(64))
    path = write_hdf5(tmp_path / "a.h5", images=noise(4, 8, 8, 3), labels=np.zeros(4, int))
    with h5py.File(path, "a") as file:
        file.create_dataset(name, (1, 2) if name == "skipped" else (1,), "S32", external=[(tmp_path / "secret", 0, 64)])
    assert "keeps its data in other files" in refusal(path)
    with h5py.File(path, "a") as file:
        del file[name]
        file.create_dataset(name, (2**28, 2), "S1", chunks=(2**16, 2))  # nothing is stored
    assert "claims" in refusal(path)


@pytest.mark.parametrize("value", [7, [1, 2], "{", "[]", "null", '{"crop": 1}', "[" * 100_000, np.zeros(3), b"\xff"])
def test_attributes_of_any_kind(tmp_path, value):
    path = write_hdf5(tmp_path / "a.h5", images=noise(4, 8, 8, 3))
    with h5py.File(path, "a") as file:
        for name in ("recipe", "fingerprint"):
            if not isinstance(value, str) or len(value) < 1000:
                file.attrs[name] = value
    assert len(opened(path, None)) == 4


def test_an_hdf5_file_with_wrong_bytes_anywhere(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", images=noise(6, 8, 8, 3), labels=np.arange(6) % 3, skipped=[["a", "b"]])
    good = path.read_bytes()
    for at in range(8, min(len(good), 4096), 56):
        for value in (b"\xff" * 8, b"\x01" + bytes(7)):
            path.write_bytes(good[:at] + value + good[at + 8 :])
            for what in (path, f"{path}:images"):
                try:
                    source = opened(what, (8, 8))
                    everything(source)
                    source.close()
                except UserError as error:
                    assert "\n" not in str(error)


def test_a_file_that_kills_the_helper_is_refused(tmp_path, monkeypatch):
    path = write_hdf5(tmp_path / "a.h5", images=noise(4, 8, 8, 3))
    monkeypatch.setattr(checker, "PROGRAM", "import os, sys; sys.stdin.readline(); os.kill(os.getpid(), 11)")
    checker.stop()
    assert "crash or hang" in refusal(path)
    monkeypatch.setattr(checker, "PROGRAM", "import time; time.sleep(100)")
    monkeypatch.setattr(checker, "PATIENCE", 0.2)
    assert "crash or hang" in refusal(path)
    monkeypatch.undo()
    assert len(open_small(path)) == 4


def test_other_pixels_in_a_packed_file_are_noticed(tmp_path):
    make(tmp_path / "data", *(f"{i:02d}.png" for i in range(20)))
    for i in range(20):
        Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"data/{i:02d}.png")
    out = tmp_path / "a.h5"
    packing.pack(FolderListing(tmp_path / "data"), Recipe((8, 8), None, 3), out, progress=False)
    good = everything(opened(out, (8, 8)))
    flip(out, good[7])
    assert "image 7 has other pixels" in refusal(out)
    source = opened(out, (8, 8), memory_limit=0)
    assert (source.batch([3, 8]) == good[[3, 8]]).all()
    with pytest.raises(UserError, match="image 7"):
        source.batch([3, 7])
    source.close()
    with h5py.File(out, "a") as file:
        del file["sums"]  # an older file
    assert len(opened(out, (8, 8))) == 20


def flip(path, image):
    """Change a bit of an image in a file."""
    data = bytearray(path.read_bytes())
    data[data.index(image.tobytes()) + 50] ^= 128
    path.write_bytes(data)


def test_damage_to_an_unfinished_file_and_a_cut_of_power(tmp_path, monkeypatch):
    for i in range(20):
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"data/{i:02d}.png")
    listing, recipe, out = FolderListing(tmp_path / "data"), Recipe((8, 8), None, 3), tmp_path / "a.h5"
    packing.pack(listing, recipe, out, progress=False)
    with h5py.File(out) as file:
        good = file["images"][:]
    out.unlink()
    synced = []
    with monkeypatch.context() as patch:
        patch.setattr(packing, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(packing.os, "fsync", synced.append)
        with pytest.raises(KeyboardInterrupt):
            packing.pack(listing, recipe, out, progress=False)
    assert synced
    part = tmp_path / "a.h5.part"
    flip(part, good[7])
    with h5py.File(part, "a") as file:
        file["images"][11] = 0
    packing.pack(listing, recipe, out, progress=False)
    with h5py.File(out) as file:
        assert (file["images"][:] == good).all()


@pytest.mark.parametrize("growing", [False, True])
def test_other_pixels_in_the_cache(tmp_path, monkeypatch, growing):
    make(tmp_path / "data", "a/0.png")
    for i in range(20):
        Image.fromarray(noise(8, 8, 3)).save(tmp_path / f"data/{i:02d}.png")
    good = everything(open_small(tmp_path / "data"))
    options = {"cache_dir": tmp_path / "cache", "memory_limit": 0}
    if growing:
        monkeypatch.setattr(opening, "CACHE_FROM", 10)
    source = open_small(tmp_path / "data", **options)
    assert (everything(source) == good).all()
    source.close()
    flip(next((tmp_path / "cache").iterdir()), good[7])
    source = open_small(tmp_path / "data", **options)
    if growing:  # decoded again
        assert (everything(source) == good).all()
    else:
        with pytest.raises(UserError, match="image 7 has other pixels"):
            everything(source)
    source.close()


def test_a_cache_of_other_labels_is_written_anew(tmp_path):
    make(tmp_path / "data", *(f"{name}/a.png" for name in ("2", "10")))
    options = {"cache_dir": tmp_path / "cache", "memory_limit": 0}
    open_small(tmp_path / "data", **options).close()
    with h5py.File(next((tmp_path / "cache").iterdir()), "a") as file:
        file["labels"][:], file.attrs["fingerprint"] = [1, 0], "of other labels"
    source = open_small(tmp_path / "data", **options)
    assert source.labels.tolist() == [1, 0] and source.classes == ["2", "10"]
    assert source.fingerprint == open_small(tmp_path / "data").fingerprint
    source.close()


@pytest.mark.parametrize("count", [300, 2500])
def test_few_pictures_in_colour_make_a_data_set_of_colours(tmp_path, count):
    array = np.repeat(noise(count, 8, 8, 1), 3, axis=3)
    array[101, 0, 0] = 1, 2, 3
    array[102::100, 0, 0] = 1, 2, 3
    np.save(tmp_path / "a.npy", array)
    assert open_small(tmp_path / "a.npy").channels == 3
    np.save(tmp_path / "a.npy", np.repeat(noise(count, 8, 8, 1), 3, axis=3))
    source = open_small(tmp_path / "a.npy")
    assert source.channels == 1 and ("grey, as are all of the 2,000" in source.description) == (count > 2000)


def test_a_helper_that_went_home_is_started_anew(tmp_path, monkeypatch):
    path = write_hdf5(tmp_path / "a.h5", images=noise(4, 8, 8, 3))
    checker.stop()
    with monkeypatch.context() as patch:
        patch.setattr(checker, "PROGRAM", "import os, signal, sys; sys.stdin.readline(); os.kill(os.getpid(), 14)")
        checker.running()
    assert len(open_small(path)) == 4


def circular(path):
    """Write zeros over the texts of an HDF5 file: HDF5 then looks for the next one for ever."""
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16  # behind the head of the place where it keeps texts
    data[at : at + 400] = bytes(400)
    path.write_bytes(data)


@pytest.fixture
def impatient(monkeypatch):
    """A helper that computes for at most half a second."""
    program = "from dcgan.data.formats import checked_files as files; files.BUSY = 0.5; files.main()"
    monkeypatch.setattr(checker, "PROGRAM", program)
    checker.stop()
    yield
    checker.stop()


def test_a_file_that_sends_hdf5_round_in_a_circle(tmp_path, impatient):
    path = write_hdf5(tmp_path / "a.h5", images=noise(4, 8, 8, 3), classes=["a", "b"], labels=[0, 1, 0, 1])
    circular(path)
    assert "crash or hang" in refusal(path)


def test_a_damaged_file_of_a_growing_source_is_written_anew(tmp_path, impatient):
    path, recipe = tmp_path / "store.h5", Recipe((8, 8), None, 3)
    Store(4, recipe, path).put(2, noise(8, 8, 3))
    assert Store(4, recipe, path).there().tolist() == [False, False, True, False]
    circular(path)
    assert not Store(4, recipe, path).there().any()
    assert not Store(5, recipe, path).there().any() and len(Store(5, recipe, path).state) == 5


def test_pieces_of_other_shapes_are_no_file_of_a_growing_source(tmp_path):
    path, recipe = tmp_path / "store.h5", Recipe((8, 8), None, 3)
    Store(4, recipe, path)
    with h5py.File(path, "a") as file:
        del file["state"]
        file["state"] = np.zeros(2, np.uint8)
    assert Store(4, recipe, path).state.shape == (4,)


def test_a_damaged_unfinished_file_is_begun_anew(tmp_path, impatient):
    make(tmp_path / "data", "a.png", "b.png")
    listing, recipe, out = FolderListing(tmp_path / "data"), Recipe((8, 8), None, 3), tmp_path / "a.h5"
    packing.new_part(tmp_path / "a.h5.part", listing, recipe, "a key")
    circular(tmp_path / "a.h5.part")
    assert packing.pack(listing, recipe, out, progress=False) == 2
    assert (everything(open_small(out)) == everything(open_small(tmp_path / "data"))).all()
