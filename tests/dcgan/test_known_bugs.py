"""One test per known bug of the systems that the presets stand for: what went wrong there does not here."""

import math

import numpy as np
import pytest
from PIL import Image

from dcgan import generate, images
from dcgan.data import ArraySource, open_source, require_batch
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.presets import config_of, find
from dcgan.run.folder import RunDir
from dcgan.sampling import draw_z, sample
from dcgan.stepper import Inputs, Stepper
from dcgan.trainer import Trainer
from gpunet import backend, checkpoint
from gpunet.layers import BatchNorm

SMALL = {"width": 2, "image_size": 24, "z_dim": 3, "batch_size": 4, "channels": 1, "samples": 4}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def small(preset, **options):
    return config_of({"preset": preset, **SMALL, **options})


def pictures(count=10):
    return ArraySource(np.random.default_rng(0).integers(0, 256, (count, 24, 24, 1), dtype="uint8"), "pictures", "x")


def new_gan(config):
    return GAN(config, np.random.default_rng(0), "cpu")


def one_step(gan, number=1):
    rng = np.random.default_rng(number)
    zs = [draw_z(rng, 4, gan.config) for _ in range(gan.draws(number))]
    return gan.step(number, rng.uniform(-1, 1, (4, 24, 24, 1)).astype("float32"), zs)


@pytest.mark.parametrize("preset", ["mydcgan", "tf-nw"])
def test_batch_norm_is_trained(preset):
    """mydcgan, tf-nw: batch norm's variables were in no optimiser's list, or made anew with every call."""
    gan = new_gan(small(preset))
    before = {name: getattr(gan, name).state_dict() for name in "GD"}
    one_step(gan)
    for name in "GD":
        now = getattr(gan, name).state_dict()
        affine = [key for key in now if key.endswith(("scale", "shift"))]
        assert affine and all((now[key] != before[name][key]).all() for key in affine)


def test_a_run_reads_its_checkpoint_once_and_counts_on(tmp_path):
    """mydcgan loaded its checkpoint anew in every epoch, and its step with it; carpedm20 went on at epoch 0."""
    run = RunDir.create(tmp_path, "x")
    Trainer(small("mydcgan", steps=3, sample_every=9), pictures(), "cpu").train(run, progress=False)
    resumed = Trainer(small("mydcgan", steps=9, sample_every=9), pictures(), "cpu")
    resumed.load_state_dict(checkpoint.load(run.checkpoint(3)))
    assert resumed.step == 3 and resumed.start == (1, 4)
    resumed.train(run, progress=False)  # through the ends of three epochs of two steps
    steps = [line for line in run.log.read_text().splitlines() if line]
    assert len(steps) == 9 and '"step": 9, "epoch": 5' in steps[-1]


def test_adam_lives_through_a_checkpoint(tmp_path):
    """anime96's code made both optimisers anew every tenth epoch."""
    run, source = RunDir.create(tmp_path, "x"), pictures()
    trainer = Trainer(small("anime96", steps=5, ratio="1:1"), source, "cpu")
    trainer.train(run, progress=False)
    resumed = Trainer(trainer.config, source, "cpu")
    resumed.load_state_dict(checkpoint.load(run.checkpoint(5)))
    for own, other in ((resumed.gan.adam_G, trainer.gan.adam_G), (resumed.gan.adam_D, trainer.gan.adam_D)):
        state, expected = own.state_dict(), other.state_dict()
        assert state["step"] == 5 and state["m"].any()
        assert (state["m"] == expected["m"]).all() and (state["v"] == expected["v"]).all()


def test_the_ratio_is_a_ratio():
    """carpedm20 wrote of two G steps and meant one D step; anime96's 5:1 is five D steps, one G step."""
    for preset, expected in (("carpedm20", (5, 10)), ("anime96", (5, 1))):
        gan = new_gan(small(preset))
        for number in range(1, 6):
            one_step(gan, number)
        assert (gan.adam_D.state[1], gan.adam_G.state[1]) == expected


def test_sixteen_pictures_get_sixteen_logits():
    """monn28 took 4*4*256 = 4,096 numbers for a map of 7x7x256 = 12,544: 49 logits for 16 pictures."""
    D = find("monn28").discriminator(config_of({"preset": "monn28"}))
    assert D.forward(np.zeros((16, 28, 28, 3), "float32")).shape == (16, 1)
    assert D[-1].features == (12_544, 1)


def test_log_of_zero_cannot_happen():
    """tf-nw took the logarithm of a sigmoid without an epsilon: infinite where D is sure."""
    gan = new_gan(small("tf-nw"))
    gan.D[-1].bias.data[...] = -1e4  # D is sure that everything is false, pictures of the data too
    stats = one_step(gan)
    assert all(math.isfinite(float(value)) for value in stats.values())
    assert float(stats["loss_d"]) == pytest.approx(1e4, rel=1e-3) == float(stats["loss_g"])
    assert all(np.isfinite(parameter.data).all() for net in (gan.G, gan.D) for parameter in net.parameters())


def test_138_channels_behind_the_labels():
    """A write-up of carpedm20 says 139; 128 and ten are 138, and D's first layers have 11 and 74 filters."""
    config = config_of({"preset": "carpedm20-mnist"})
    G, D = find("carpedm20-mnist").generator(config), find("carpedm20-mnist").discriminator(config)
    channels = [layer.channels for net in (G, D) for layer in net if hasattr(layer, "kernel")]
    assert channels == [(138, 128), (138, 1), (11, 11), (21, 74)]


def test_digits_are_not_grey():
    """carpedm20 saved pictures in [0, 1] as if in [-1, 1]: black came out as grey 128."""
    config = small("carpedm20-mnist", image_size=8, classes=2)
    gan, labels = new_gan(config), np.zeros(4, "int32")
    for bias, expected in ((-1e3, 0), (1e3, 255), (0, 128)):
        gan.G[-2].weight.data[...], gan.G[-2].bias.data[...] = 0, bias
        assert (sample(gan.G, np.zeros((4, 1, 1, 3)), labels) == expected).all()
    seen = []
    gan.step = lambda number, real, *others: seen.append(real) or {}
    Stepper(gan, "cpu", graph=False)(1, Inputs(np.array([[[[0], [51], [255]]]], "uint8"), [], labels=labels))
    np.testing.assert_allclose(seen[0].real().ravel(), [0, 0.2, 1], rtol=1e-6)


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
