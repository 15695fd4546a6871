"""dcgan.trainer: the learning rate, what is due when, the end of an epoch, and the pictures that a step saves."""

import itertools

import numpy as np
import pytest
from PIL import Image

from dcgan import images, options
from dcgan.config import Config
from dcgan.data import ArraySource, Loader
from dcgan.data.loader import batches
from dcgan.errors import UserError
from dcgan.presets import PRESETS, config_of
from dcgan.run.folder import RunDir
from dcgan.trainer import Trainer, due, learning_rate
from gpunet import backend, checkpoint
from gpunet.backend.adam import LR

TINY = {"width": 2, "image_size": 8, "z_dim": 3, "batch_size": 4, "samples": 6, "channels": 1}
SMALL = {"width": 2, "image_size": 16, "channels": 3, "z_dim": 3, "batch_size": 4, "implementation": "reference"}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def pictures(count=10):
    return ArraySource(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype="uint8"), "", "")


def test_learning_rate():
    step = Config(lr=2e-4, lr_schedule="step")
    rates = [learning_rate(step, epoch, 0.5) for epoch in range(1, 10)]  # times 0.2^floor(epoch / 3)
    assert rates == pytest.approx([2e-4, 2e-4, 4e-5, 4e-5, 4e-5, 8e-6, 8e-6, 8e-6, 1.6e-6], rel=1e-12)
    linear = Config(lr=0.1, lr_schedule="linear")
    assert [learning_rate(linear, 1, done) for done in (0, 0.25, 0.75)] == pytest.approx([0.1, 0.075, 0.025])
    assert learning_rate(Config(lr=0.1), 7, 0.9) == 0.1
    assert learning_rate(linear, 1, 0.75, 0.4) == pytest.approx(0.1) and learning_rate(Config(lr=0.1), 7, 0.9, 2) == 2


def test_the_rate_reaches_both_optimisers(tmp_path):
    """10 pictures in batches of 4: two steps an epoch. The third epoch has a fifth of the rate."""
    trainer = Trainer(Config(**TINY, lr_schedule="step", steps=6), pictures(), "cpu")
    used, step = [], trainer.gan.step

    def noting(*args):
        used.append((trainer.gan.adam_G.lr, trainer.gan.adam_D.state[LR]))
        return step(*args)

    trainer.gan.step = noting
    trainer.train(RunDir.create(tmp_path, "x"), progress=False)
    assert used == [(2e-4, 2e-4)] * 4 + [(pytest.approx(4e-5),) * 2] * 2
    assert checkpoint.load(tmp_path / "0001-x/checkpoints/000006.h5")["gan"]["adam_G"]["lr"] == pytest.approx(4e-5)


def test_each_network_has_its_rate(tmp_path):
    """Both fall by the schedule: to 3/4, 1/2 and 1/4 of the first one. One that is not given is --lr."""
    for given, first in (
        ({"lr_g": 1e-4, "lr_d": 4e-4}, (1e-4, 4e-4)),
        ({"lr": 0.01, "lr_d": 0.04}, (0.01, 0.04)),
        ({"lr": 0.01, "lr_g": 0.02}, (0.02, 0.01)),
    ):
        trainer = Trainer(Config(**TINY, **given, lr_schedule="linear", steps=4), pictures(), "cpu")
        assert trainer.gan.rates == first
        used, step = [], trainer.gan.step
        trainer.gan.step = lambda *args, used=used, gan=trainer.gan, step=step: used.append(gan.rates) or step(*args)
        trainer.train(RunDir.create(tmp_path, "x"), progress=False)
        assert used == [pytest.approx([part * rate for rate in first]) for part in (1, 0.75, 0.5, 0.25)]


@pytest.mark.parametrize(
    "cadence, steps",
    [("3", [3, 6, 9, 12]), ("1ep", [2, 4, 6, 8, 10, 12]), ("2ep", [4, 8, 12]), ("1,4,6ep", [2, 8, 12]), ("7ep", [])],
)
def test_cadence(cadence, steps):
    """Two steps an epoch."""
    cadence = options.cadence(cadence)
    assert [step for step in range(1, 13) if due(cadence, step, step // 2 if step % 2 == 0 else None)] == steps


@pytest.mark.parametrize("wrong", ["0", "often", "1,2", "ep", "0ep", "1,,2ep", "-1", "1.5ep"])
def test_cadences_that_are_none(wrong):
    with pytest.raises(UserError, match="--sample-every: got '.*', expected a number of steps such as 200, or epochs"):
        Config(sample_every=wrong)


def test_epochs_as_cadence_of_a_run(tmp_path):
    config = Config(**TINY, epochs=3, sample_every="1,2ep", checkpoint_every="2ep", keep=9)
    Trainer(config, pictures(), "cpu").train(run := RunDir.create(tmp_path, "x"), progress=False)
    assert [path.stem for path in run.saved()] == ["000006", "000004"]
    assert sorted(path.stem for path in run.samples.iterdir()) == ["000001", "000002", "000004", "000006", "real"]


def test_wrapped_batches_show_every_picture_equally_often():
    """5 epochs of 10 pictures in batches of 4: the 13th batch ends the fifth epoch and begins the sixth."""
    source = ArraySource(np.arange(10, dtype="uint8").reshape(10, 1, 1, 1), "", "")
    with Loader(source, 4, seed=0, wrap=True) as loader:
        batches = [next(loader) for _ in range(13)]
    seen = np.concatenate([batch.images.ravel() for batch in batches])
    assert np.bincount(seen[:50]).tolist() == [5] * 10
    for epoch in range(5):
        assert seen[10 * epoch : 10 * epoch + 10].tolist() == np.random.default_rng([0, epoch]).permutation(10).tolist()
    assert [batch.next_start for batch in batches[1:6]] == [(0, 8), (1, 2), (1, 6), (2, 0), (2, 4)]
    assert Trainer(Config(**TINY, epochs=5, last_batch="wrap"), pictures(), "cpu").last_step == 13
    assert Trainer(Config(**TINY, epochs=5), pictures(), "cpu").last_step == 10


def trained(tmp_path, **options):
    """The files in samples/, in order, and the source, of a run of five steps on eleven pictures."""
    config = config_of({**SMALL, "steps": 5, "sample_every": 2, "checkpoint_every": 99, **options})
    source = ArraySource(np.random.default_rng(0).integers(0, 256, (11, 16, 16, 3), dtype="uint8"), "", "")
    Trainer(config, source, "cpu").train(run := RunDir.create(tmp_path, "x"), progress=False)
    return sorted(run.samples.iterdir()), source


@pytest.mark.parametrize("samples", [3, 64], ids=["fewer than a batch", "more than a batch"])
def test_mydcgan_shows_the_pictures_of_the_step(tmp_path, samples):
    files, source = trained(tmp_path, preset="mydcgan", samples=samples)
    steps = (1, 2, 4, 5)
    assert [path.name for path in files] == [
        *(f"{step:06d}{end}.png" for step in steps for end in ("-real", "")), "real.png"
    ]  # fmt: skip
    each = list(itertools.islice(batches(source, 4, 0, (0, 0)), 5))
    for step, path in zip(steps, files[::2], strict=False):
        with Image.open(path) as image:
            assert (np.asarray(image) == images.grid(each[step - 1].images[:samples])).all()


def test_the_other_presets_show_them_when_asked(tmp_path):
    assert [name for name in PRESETS if config_of({"preset": name}).real_grids] == ["mydcgan"]
    assert len(trained(tmp_path)[0]) == 5
    assert len(trained(tmp_path, real_grids=True)[0]) == 9
    assert len(trained(tmp_path, preset="mydcgan", real_grids=False)[0]) == 5
