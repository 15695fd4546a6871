"""Packed images and the cache: the same pixels from an HDF5 file as from memory."""

import os
import shutil
from collections import namedtuple

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan.data import ArraySource, opening
from dcgan.data.formats import listing
from dcgan.data.storage import packed
from dcgan.data.storage.packed import PackedSource
from dcgan.errors import UserError

COUNT = 60


@pytest.fixture
def folder(tmp_path):
    """A folder of random pictures, the 2nd, the 21st and the last damaged."""
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(data / f"{i:03d}.png")
    for i in (1, 20, COUNT - 1):
        (data / f"{i:03d}.png").write_bytes(b"damaged")
    return data


@pytest.fixture
def open_data(folder, tmp_path):
    """Open the folder with a cache of its own."""

    def open_it(memory_limit=2**30, path=folder, **options):
        options = {"image_size": (16, 12), "cache_dir": tmp_path / "cache", "progress": False, **options}
        return opening.open_source(path, memory_limit=memory_limit, **options)

    return open_it


def everything(source):
    return source.batch(np.arange(len(source)))


@pytest.mark.parametrize("chunk_bytes", [1, 2000, 2**16])
def test_from_the_cache_as_from_memory(open_data, monkeypatch, chunk_bytes):
    monkeypatch.setattr(packed, "CHUNK_BYTES", chunk_bytes)
    in_memory, cached = open_data(), open_data(memory_limit=1000)
    assert isinstance(in_memory, ArraySource) and isinstance(cached, PackedSource)
    assert (everything(cached) == everything(in_memory)).all()
    assert len(cached) == COUNT - 3
    assert (cached.batch([9, 0, 56, 9, 3]) == in_memory.batch([9, 0, 56, 9, 3])).all()
    for name in ("description", "fingerprint", "skipped", "shape", "labels"):
        assert getattr(cached, name) == getattr(in_memory, name), name
    assert [name for name, _ in cached.skipped] == ["001.png", "020.png", f"{COUNT - 1:03d}.png"]
    cached.close()


def test_the_cache_is_reused_until_the_data_or_the_recipe_changes(open_data, folder, tmp_path, monkeypatch):
    read = []
    decode = listing.decode
    monkeypatch.setattr(listing, "decode", lambda *arguments: (read.append(1), decode(*arguments))[1])

    def decoded(**options):
        """How many pictures are decoded by opening, without the look at their channels."""
        read.clear()
        open_data(memory_limit=1000, channels=3, **options).close()
        return len(read)

    assert decoded() >= COUNT - 3
    assert decoded() == 0
    assert decoded(image_size=(8, 8)) > 0
    os.utime(folder / "005.png", ns=(0, 0))
    assert decoded() > 0 and decoded() == 0
    assert len(list((tmp_path / "cache").iterdir())) == 2  # of each recipe the newest; nothing unfinished


def test_few_files_that_fit_into_memory_leave_no_cache(open_data, tmp_path):
    everything(open_data())
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written(open_data, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file is in the way")
    with pytest.raises(UserError, match="can't be written"):
        open_data(memory_limit=1000)
    monkeypatch.setattr(opening, "CACHE_FROM", 10)
    with pytest.raises(UserError, match="can't be written"):
        open_data(memory_limit=1000)
    expected, source = "(3 skipped)", open_data()
    assert expected in source.description and source.store.path is None
    assert everything(source).shape == (COUNT, 16, 12, 3)


def test_a_disk_too_small_for_a_cache(open_data, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("usage", "free")(1000))
    with pytest.raises(UserError, match="0 MiB are free, 60 images take"):
        open_data(memory_limit=1000)
    monkeypatch.setattr(opening, "CACHE_FROM", 10)
    assert open_data().store.path is None


def test_the_users_cache_folder(open_data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    open_data(memory_limit=1000, cache_dir=None).close()
    assert len(list((tmp_path / "xdg" / "dcgan").glob("data-*.h5"))) == 1
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    open_data(memory_limit=1000, cache_dir=None).close()
    assert len(list((tmp_path / "home" / ".cache" / "dcgan").glob("data-*.h5"))) == 1


def test_any_file_with_images(open_data, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 1), dtype=np.uint8)
    with h5py.File(tmp_path / "own.hdf5", "w") as file:
        file["images"] = images
    for limit in (0, 2**30):
        source = open_data(limit, tmp_path / "own.hdf5", image_size=None)
        assert (everything(source) == images).all() and source.skipped == []
        source.close()
    for options in ({"image_size": (6, 6)}, {"image_size": (6, 5), "channels": 3}, {"image_size": None, "crop": 4}):
        with pytest.raises(UserError, match="was packed with"):
            open_data(path=tmp_path / "own.hdf5", **options)


@pytest.mark.parametrize(
    "data",
    [
        None,
        np.zeros((2, 3, 3, 3)),
        np.zeros((2, 3, 3), "uint8"),
        np.zeros((2, 3, 3, 2), "uint8"),
        np.zeros((0, 3, 3, 3), "uint8"),
    ],
)
def test_hdf5_without_images(open_data, tmp_path, data):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images" if data is not None else "other"] = 0 if data is None else data
    with pytest.raises(UserError, match="expected a uint8 data set 'images'"):
        open_data(path=tmp_path / "a.h5")


def test_files_that_are_no_hdf5(open_data, tmp_path):
    for content in (b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(20)):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(UserError, match="not a readable HDF5 file"):
            open_data(path=tmp_path / "a.h5")
