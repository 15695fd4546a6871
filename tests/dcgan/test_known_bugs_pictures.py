"""Known bugs of the systems in what goes in and comes out: pictures, samples, grids, data. See test_known_bugs.py."""

import numpy as np
import pytest
from PIL import Image

from dcgan import generate, images
from dcgan.data import open_source, require_batch
from dcgan.errors import UserError
from dcgan.sampling import sample
from dcgan.stepper import Inputs, Stepper
from gpunet import backend
from gpunet.layers import BatchNorm
from tests.dcgan.test_known_bugs import new_gan, pictures, small


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def test_digits_are_not_grey():
    """carpedm20 saved pictures in [0, 1] as if in [-1, 1]: black came out as grey 128."""
    config = small("carpedm20-mnist", image_size=8, classes=2)
    gan, labels = new_gan(config), np.zeros(4, "int32")
    for bias, expected in ((-1e3, 0), (1e3, 255), (0, 128)):
        gan.G[-2].weight.data[...], gan.G[-2].bias.data[...] = 0, bias
        assert (sample(gan.G, np.zeros((4, 1, 1, 3)), labels) == expected).all()
    seen = []
    gan.step = lambda number, real, zs, labels: seen.append(real) or {}
    Stepper(gan, "cpu", graph=False)(1, Inputs(np.array([[[[0], [51], [255]]]], "uint8"), [], labels=labels))
    np.testing.assert_allclose(seen[0].ravel(), [0, 0.2, 1], rtol=1e-6)


def test_crops_are_height_times_width(tmp_path):
    """carpedm20 handed (height, width) to a library that takes (width, height)."""
    wide = np.zeros((60, 100, 3), "uint8")
    wide[20:40, 10:90] = 255  # a white bar of 20 x 80, which the crop is to hit exactly
    Image.fromarray(wide).save(tmp_path / "wide.png")
    source = open_source(tmp_path, (10, 40), crop=(20, 80), progress=False)
    assert source.shape == (1, 10, 40, 1) and (source.batch([0]) == 255).all()


def test_samples_come_from_the_z_that_was_trained():
    """carpedm20 visualised with uniform z whatever it was trained with."""
    for preset, low, high in (("carpedm20", -1, 1), ("tf-nw", -9, 9)):
        gan, drawn = new_gan(small(preset)), []
        forward = gan.G.forward
        gan.G.forward = lambda z, f=forward, d=drawn: d.append(z) or f(z)
        list(generate.pictures(gan.G, gan.config, 4, seed=0))
        z = np.concatenate(drawn)
        assert low <= z.min() < -0.9 and 0.9 < z.max() <= high and (np.abs(z) > 1).any() == (preset == "tf-nw")


def test_one_picture_is_not_always_the_same_picture():
    """Newmu, thread 15: normalised by its own batch of one, every sample is the same."""
    for statistics in ("running", "batch"):
        gan = new_gan(small("paper", sampling_statistics=statistics))
        for layer in gan.G.walk():
            if isinstance(layer, BatchNorm):
                layer.buffers["running_var"][...] = 1e-4  # of a network as small as this one
        first, second = (next(generate.pictures(gan.G, gan.config, 1, seed)) for seed in (0, 1))
        assert first.shape == (1, 24, 24, 1) and (first != second).any()


@pytest.mark.parametrize("count", [1, 7, 13, 64])
def test_any_number_of_pictures_makes_a_grid(count):
    """carpedm20's grids needed a near-square number and printed "one pic error!" for others."""
    sheet = images.grid(np.zeros((count, 2, 2, 1), "uint8"))
    assert (sheet == 0).sum() == count * 4


def test_too_little_data_is_said(tmp_path):
    """carpedm20: "list index out of range" for an empty folder; a data set smaller than a batch trained on nothing."""
    with pytest.raises(UserError, match=str(tmp_path)):
        open_source(tmp_path, progress=False)
    with pytest.raises(UserError, match="fewer images than one batch of 64; give a --batch-size of at most 10"):
        require_batch(pictures(), 64)
