"""Packed images: any file with images opens, and packing may die at any moment."""

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan.data.formats.folder import FolderListing
from dcgan.data.recipe import Recipe
from dcgan.data.storage.packing import pack
from dcgan.errors import UserError
from opened import everything, opened

RECIPE = Recipe((6, 6), None, 3)


def test_any_file_with_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 1), dtype=np.uint8)
    with h5py.File(tmp_path / "own.hdf5", "w") as file:
        file["images"] = images
    for limit in (0, 2**30):
        source = opened(tmp_path / "own.hdf5", None, memory_limit=limit)
        assert (everything(source) == images).all() and source.skipped == []
        source.close()
    for size, options in (((6, 6), {}), ((6, 5), {"channels": 3}), (None, {"crop": 4})):
        with pytest.raises(UserError, match="was packed with"):
            opened(tmp_path / "own.hdf5", size, **options)


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
def test_hdf5_without_images(tmp_path, data):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images" if data is not None else "other"] = 0 if data is None else data
    with pytest.raises(UserError, match="expected a uint8 data set 'images'"):
        opened(tmp_path / "a.h5", (16, 12))


def test_files_that_are_no_hdf5(tmp_path):
    for content in (b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(20)):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(UserError, match="not a readable HDF5 file"):
            opened(tmp_path / "a.h5", (16, 12))


@pytest.fixture
def listing(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for i in range(12):
        Image.new("RGB", (6, 6), (10 * i, 0, 0)).save(data / f"{i:02d}.png")
    for i in (2, 3, 8):
        (data / f"{i:02d}.png").write_text("damaged")
    return FolderListing(data)


def test_dying_while_rows_move_mixes_nothing_up(listing, tmp_path, monkeypatch):
    out = tmp_path / "a.h5"
    with monkeypatch.context() as patch:
        patch.setattr(h5py.Dataset, "resize", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pack(listing, RECIPE, out, progress=False)
    assert not out.exists()
    assert pack(listing, RECIPE, out, progress=False) == 9
    with h5py.File(out) as file:
        assert file["images"][:, 0, 0, 0].tolist() == [0, 10, 40, 50, 60, 70, 90, 100, 110]
        assert [name.decode() for name, _ in file["skipped"][:]] == ["02.png", "03.png", "08.png"]


@pytest.mark.parametrize("bad", [[0], [11], [0, 1, 2], [9, 10, 11], list(range(11))])
def test_gaps_close_wherever_they_are(listing, tmp_path, bad):
    good = [i for i in range(12) if i not in bad and i not in (2, 3, 8)]
    for i in bad:
        (listing.root / f"{i:02d}.png").write_text("damaged")
    out = tmp_path / "a.h5"
    assert pack(FolderListing(listing.root), RECIPE, out, progress=False) == len(good)
    with h5py.File(out) as file:
        assert (file["images"][:, 0, 0, 0] == 10 * np.array(good)).all()
