"""What changes as a run goes on: learning rate, cadences, turns, the end of an epoch; and how samples are drawn."""

import numpy as np
import pytest

from dcgan import options
from dcgan.config import Config
from dcgan.data import ArraySource, Loader
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.run.folder import RunDir
from dcgan.sampling import draw_z, sample
from dcgan.trainer import Trainer, due, learning_rate
from gpunet import backend, checkpoint, layers
from gpunet.backend.adam import LR

TINY = {"width": 2, "image_size": 8, "z_dim": 3, "batch_size": 4, "samples": 6, "channels": 1}


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


def test_turns():
    def plans(**options):
        gan = GAN(Config(**TINY, **options), np.random.default_rng(0), "cpu")
        return [gan.plan(number) for number in range(1, 7)], [gan.draws(number) for number in range(1, 7)]

    assert plans() == ([(True, 1)] * 6, [1] * 6)
    assert plans(ratio="3:2", fresh_z=True) == ([(True, 0), (True, 0), (True, 2)] * 2, [1, 1, 3] * 2)
    assert plans(alternate=True, fresh_z=True) == ([(False, 1), (True, 0)] * 3, [1] * 6)
    assert plans(ratio="2:1", alternate=True) == ([(False, 1), (True, 0), (True, 0)] * 2, [1] * 6)


def test_alternating_batches_train_one_network_each():
    gan, rng = GAN(Config(**TINY, alternate=True), np.random.default_rng(0), "cpu"), np.random.default_rng(1)
    for number, (trained, other) in enumerate(["GD", "DG", "GD"], 1):
        before = {name: getattr(gan, name).state_dict() for name in "GD"}
        real, z = rng.standard_normal((4, 8, 8, 1), "float32"), draw_z(rng, 4, gan.config)
        stats = gan.step(number, real, [z])
        changed = {
            name: [(p.data != before[name][key]).any() for key, p in getattr(gan, name).named_parameters()]
            for name in "GD"
        }
        assert all(changed[trained]) and not any(changed[other])
        assert set(stats) == ({"loss_g"} if trained == "G" else {"loss_d", "d_real", "d_fake"})


@pytest.mark.parametrize("statistics", ["running", "batch"])
def test_sampling_statistics(statistics):
    """Running averages: a picture depends on its z alone. The batch's: on the others too, as in training mode."""
    gan = GAN(Config(**TINY, sampling_statistics=statistics), np.random.default_rng(0), "cpu")
    rng = np.random.default_rng(1)
    z, others = draw_z(rng, 32, gan.config), draw_z(rng, 32, gan.config)
    before = gan.G.state_dict()
    first = sample(gan.G, z)
    mixed = sample(gan.G, np.concatenate([z[:16], others[16:]]))[:16]
    assert (first[:16] == mixed).all() == (statistics == "running")
    assert all((before[name] == array).all() for name, array in gan.G.state_dict().items())
    if statistics == "batch":
        assert (first == backend.real_to_images(gan.G.train().forward(z))).all()


def test_batch_norm_may_evaluate_by_the_batch():
    layer, x = layers.BatchNorm(2, batch_statistics=True).eval(), np.array([[1, 10], [3, 30]], "float32")
    np.testing.assert_allclose(layer.forward(x), [[-1, -1], [1, 1]], rtol=1e-4)
    assert layer.buffers["running_mean"].tolist() == [0, 0] and layer.buffers["running_var"].tolist() == [1, 1]
