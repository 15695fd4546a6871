"""The cache: the same pixels from a packed file as from memory, for as long as the data and the recipe stay."""

import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

from dcgan.data import ArraySource, opening
from dcgan.data.formats import listing
from dcgan.data.recipe import Recipe
from dcgan.data.storage import packing, store
from dcgan.data.storage.cache import forget_older
from dcgan.data.storage.packed import PackedSource
from dcgan.data.storage.store import Store
from dcgan.errors import UserError
from opened import everything

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


@pytest.mark.parametrize("chunk_bytes", [1, 2000, 2**16])
def test_from_the_cache_as_from_memory(open_data, monkeypatch, chunk_bytes):
    monkeypatch.setattr(packing, "CHUNK_BYTES", chunk_bytes)
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


def test_two_processes_that_begin_at_once_do_not_take_each_others_file_away(tmp_path, monkeypatch):
    """Both make a store for the same data; the other one is ready, and tidies up, just before this one is."""
    cached, recipe, reserve = tmp_path / "faces-0123456789-abcdef.h5", Recipe((8, 8), None, 3), store.reserve_disk

    def other_is_ready(path, spare=0):
        reserve(path, spare)
        monkeypatch.setattr(store, "reserve_disk", reserve)
        Store(4, recipe, cached)
        forget_older(cached)

    monkeypatch.setattr(store, "reserve_disk", other_is_ready)
    (tmp_path / "faces-0123456789-older.h5").touch()
    assert len(Store(4, recipe, cached).state) == 4
    assert [path.name for path in tmp_path.iterdir()] == [cached.name]
