"""Packing that dies at its very end, while the rows close up over the files that were skipped."""

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan.data.formats.folder import FolderListing
from dcgan.data.recipe import Recipe
from dcgan.data.storage.packed import pack

RECIPE = Recipe((6, 6), None, 3)


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
