"""dcgan.images and dcgan.sampling: grids, PNG files, and a picture that depends on its z alone."""

import os

import numpy as np
import pytest
from PIL import Image

from dcgan import images
from dcgan.config import Config
from dcgan.presets import dcgan64
from dcgan.sampling import BATCH, draw_z, sample
from gpunet import backend


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


@pytest.mark.parametrize("distribution, low, high", [("normal", None, None), ("uniform", -1, 1), ("unsigned", 0, 1)])
def test_z(distribution, low, high):
    config = Config(z_dist=distribution, z_dim=100)
    z = draw_z(np.random.default_rng(0), 300, config)
    assert z.shape == (300, 1, 1, 100) and z.dtype == np.float32
    mean, std = (0, 1) if low is None else ((low + high) / 2, (high - low) / 12**0.5)
    assert abs(z.mean() - mean) < 0.02 and abs(z.std() - std) < 0.02
    if low is not None:
        assert z.min() >= low and z.max() <= high
    assert (draw_z(np.random.default_rng(0), 7, config) == z[:7]).all()


def test_a_picture_depends_on_its_z_alone():
    """Any count, any neighbours; G is left as it was, its running statistics used and untouched."""
    with backend.use("reference"):
        rng = np.random.default_rng(0)
        G = dcgan64.generator(Config(image_size=16, z_dim=5, width=4))
        G.forward(rng.standard_normal((8, 1, 1, 5), dtype="float32") * 3 + 1)  # running statistics of some kind
        G.forget()
        before = G.state_dict()
        z = draw_z(rng, 2 * BATCH + 3, Config(z_dim=5))
        many = sample(G, z)
        assert many.shape == (2 * BATCH + 3, 16, 16, 3) and many.dtype == np.uint8
        for count in (1, 2, BATCH, BATCH + 1):
            assert (sample(G, z[:count]) == many[:count]).all()
        assert G.training
        assert all((before[name] == array).all() for name, array in G.state_dict().items())
        G.eval()
        assert (many[:5] == backend.real_to_images(G.forward(z[:5]))).all()
