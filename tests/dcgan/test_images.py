"""dcgan.images: grids and PNG files."""

import os

import numpy as np
import pytest
from PIL import Image

from dcgan import images


@pytest.mark.parametrize("count", [1, 2, 3, 7, 12, 63, 64, 65])
@pytest.mark.parametrize("height, width, channels", [(4, 4, 3), (8, 4, 1), (4, 12, 3)])
def test_grid_holds_every_picture_in_reading_order(count, height, width, channels):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (count, height, width, channels), dtype="uint8")
    sheet = images.grid(pictures)
    across = (sheet.shape[1] - 2) // (width + 2)
    found = []
    for i in range(count):
        top, left = 2 + i // across * (height + 2), 2 + i % across * (width + 2)
        found.append(sheet[top : top + height, left : left + width].copy())
        sheet[top : top + height, left : left + width] = 255
    assert (np.stack(found) == pictures).all()
    assert (sheet == 255).all()  # nothing else is on the sheet
    if count >= 7:
        assert 1 / 2 <= sheet.shape[0] / sheet.shape[1] <= 2


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_png_round_trip(tmp_path, channels, mode):
    picture = np.random.default_rng(0).integers(0, 256, (5, 9, channels), dtype="uint8")
    images.save_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode == mode and read.format == "PNG"
        assert (np.asarray(read).reshape(picture.shape) == picture).all()
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("picture", [np.zeros((4, 4, 3)), np.zeros((4, 4), "uint8"), np.zeros((4, 4, 2), "uint8")])
def test_png_refuses_other_arrays(tmp_path, picture):
    with pytest.raises(ValueError, match="expected uint8"):
        images.save_png(tmp_path / "a.png", picture)


@pytest.mark.parametrize("count", [1, 5, 6, 64])
@pytest.mark.parametrize("shape", [(8, 8, 3), (6, 10, 1)])
def test_a_grid_is_read_back(tmp_path, count, shape):
    """From its PNG, without the white places behind the last picture; as no grid of pictures of another size."""
    some = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype="uint8")
    images.save_png(tmp_path / "grid.png", images.grid(some))
    sheet = images.read_png(tmp_path / "grid.png")
    np.testing.assert_array_equal(images.cells(sheet, shape[:2]), some)
    assert images.cells(sheet, (shape[0] + 1, shape[1])) is None


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\ncut", b"GIF89a"])
def test_a_damaged_png_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    assert images.read_png(tmp_path / "x.png") is None


def test_captions_do_not_touch_their_neighbours():
    cells = images.captioned(np.zeros((2, 4, 4, 1), "uint8"), ["a, 13.0 dB", "88888"])
    assert cells.shape[2] > 40 and (cells[:, :, [0, -1]] == images.PAPER).all()
    assert images.captioned(np.zeros((1, 4, 4, 1), "uint8"), [""]).shape[2] == 4
