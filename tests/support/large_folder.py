"""What the tests of large folders share: one with damaged files in it, opened as if it were large; fixtures."""

import numpy as np
import pytest
from PIL import Image

from dcgan.data import opening
from dcgan.data.formats import listing
from dcgan.data.storage import growing

COUNT, BAD = 40, (3, 4, 21, 39)
VALUES = [0, 1, 2, 5, 5, 5, *range(6, 21), 22, *range(22, 39), 0]  # the file whose picture stands in each place


@pytest.fixture
def folder(tmp_path):
    """Two classes of pictures whose grey value is their number; BAD are no pictures."""
    for i in range(COUNT):
        path = tmp_path / "data" / f"{'ab'[i >= 22]}/{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 6), i).save(path)
        if i in BAD:
            path.write_text("damaged")
    return tmp_path / "data"


@pytest.fixture
def open_data(folder, tmp_path, monkeypatch):
    """Open the folder as if it were large; sources are closed after the test."""
    monkeypatch.setattr(opening, "CACHE_FROM", 10)
    monkeypatch.setattr(growing, "AT_ONCE", 0)
    opened = []

    def open_it(path=folder, **options):
        options = {"channels": 1, "cache_dir": tmp_path / "cache", "workers": 2, **options}
        opened.append(opening.open_source(path, (6, 6), progress=False, **options))
        return opened[-1]

    yield open_it
    for source in opened:
        source.close()


@pytest.fixture
def decoded(monkeypatch):
    """Grows by one for every picture that this process decodes."""
    calls, decode = [], listing.decode
    monkeypatch.setattr(listing, "decode", lambda *arguments: (calls.append(1), decode(*arguments))[1])
    return calls


def values(source, indices=range(COUNT)):
    """The grey values of a source's pictures."""
    return source.batch(np.array(indices))[:, 0, 0, 0].tolist()


def finished(source, order=range(COUNT)):
    """Have the processes decode all there is."""
    source.expect(np.array(order))
    source.helpers.wait()
    return source
