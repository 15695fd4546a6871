"""Networks that are told labels: the block that gives them, joined batches, runs on labelled pictures, samples."""

import contextlib

import numpy as np
import pytest

from dcgan import generate, generate_options, session
from dcgan.config import Config
from dcgan.data import ArraySource, Loader
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.run.folder import RunDir
from dcgan.sampling import balanced_labels, draw_z, sample
from dcgan.stepper import Inputs, Stepper
from dcgan.trainer import Trainer
from gpunet import backend, checkpoint, layers
from running import arrays, content

TINY = {"preset": "carpedm20-mnist", "classes": 3, "width": 2, "image_size": 8, "z_dim": 3, "batch_size": 4}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def labelled(count=18):
    """Grey pictures that say their label by their brightness."""
    labels = np.arange(count) % 3
    noise = np.random.default_rng(0).integers(0, 40, (count, 8, 8, 1))
    return ArraySource((noise + 100 * labels[:, None, None, None]).astype("uint8"), "labelled", "x", labels=labels)


def config(**options):
    return config_of({**TINY, "samples": 6, "sample_every": 4, "checkpoint_every": 3, **options})


def test_labels_are_given_for_a_block():
    layer = layers.Sequential(layers.JoinLabels(2))
    with pytest.raises(RuntimeError, match=r"JoinLabels\(2\): got no labels: run the network in a block"):
        layer.forward(np.ones((2, 3)))
    with contextlib.suppress(KeyError), layer.given(np.array([1, 0], "int32")):
        assert layer.forward(np.ones((2, 1))).tolist() == [[1, 0, 1], [1, 1, 0]]
        with pytest.raises(ValueError, match=r"labels of shape \(2,\), expected \(3,\), one per sample"):
            layer.eval().forward(np.ones((3, 1)))
        raise KeyError
    assert layer[0].labels is None  # also after an error
    with pytest.raises(ValueError, match="got classes=0, expected at least 1"):
        layers.JoinLabels(0)


def test_joined_batches_have_the_same_labels():
    layer, x = layers.JoinLabels(2), np.arange(4.0).reshape(4, 1)
    with layer.given(np.array([1, 0], "int32")), layer.joined_batches(2):
        y = layer.forward(x)
    assert y.tolist() == [[0, 0, 1], [1, 1, 0], [2, 0, 1], [3, 1, 0]]
    assert layer.backward(10 * y).tolist() == [[0], [10], [20], [30]]


def test_the_loader_keeps_labels_with_their_pictures():
    for options in ({}, {"wrap": True}):
        with Loader(labelled(), 4, seed=1, **options) as loader:
            for batch in (next(loader) for _ in range(12)):
                assert batch.labels.dtype == np.int32
                assert (batch.images.mean(axis=(1, 2, 3)) // 100 == batch.labels).all()


def test_labels_change_what_both_networks_say():
    gan, rng = GAN(config(), np.random.default_rng(0), "cpu"), np.random.default_rng(1)
    x, z = rng.standard_normal((4, 8, 8, 1), "float32"), rng.standard_normal((4, 1, 1, 3), "float32")
    answers = []
    for labels in ([0, 1, 2, 0], [0, 1, 2, 1]):
        given = np.array(labels, "int32")
        with gan.G.eval().given(given), gan.D.eval().given(given):
            answers.append((gan.G.forward(z), gan.D.forward(x)))
    for first, second in zip(*answers, strict=True):
        assert (first[:3] == second[:3]).all() and (first[3] != second[3]).any()


def test_the_steps_feed_the_labels_of_the_batch():
    """Other labels, another step; no labels, none."""
    source, states = labelled(), []
    z = [draw_z(np.random.default_rng(2), 4, config())]
    for labels in (source.labels[:4], source.labels[1:5]):
        gan = GAN(config(), np.random.default_rng(0), "cpu")
        Stepper(gan, "cpu", graph=False)(1, Inputs(source.images[:4], z, labels=labels.astype("int32")))
        states.append(gan.state_dict())
    for name, key in (("G", "2.weight"), ("D", "1.weight")):  # the layers behind the first labels
        assert (states[0][name][key] != states[1][name][key]).any()
    with pytest.raises(RuntimeError, match="got no labels"):
        Stepper(gan, "cpu", graph=False)(1, Inputs(source.images[:4], z))


def test_two_halves_are_the_whole(tmp_path, numbers_for_plot):
    whole, half = (RunDir.create(tmp_path, name) for name in ("whole", "half"))
    Trainer(config(steps=10), labelled(), "cpu").train(whole, progress=False)
    Trainer(config(steps=5), labelled(), "cpu").train(half, progress=False)
    resumed = Trainer(config(steps=10), labelled(), "cpu")
    resumed.load_state_dict(checkpoint.load(half.checkpoint(5)))
    resumed.train(half, progress=False)
    assert arrays(half.checkpoint(10)) == arrays(whole.checkpoint(10))
    a, b = content(half.path), content(whole.path)
    assert not [name for name in b if a[name] != b[name]]


def test_samples_follow_the_labels_they_are_asked_for():
    """A G whose pictures are as bright as their label, drawn in any order and number."""

    class Bright(layers.Layer):
        def forward(self, x):
            return np.broadcast_to(x[:, 1:].argmax(1)[:, None, None, None] / 2.0, (len(x), 2, 2, 1))

    class Unchanged(layers.Sigmoid):  # a sigmoid as last layer says that pictures are in [0, 1]
        def forward(self, x):
            return x

    G = layers.Sequential(layers.Flatten(), layers.Linear(1, 1), layers.JoinLabels(3), Bright(), Unchanged())
    for count in (1, 5, 40):
        z, labels = np.ones((count, 1, 1, 1), "float32"), np.arange(count, dtype="int32")[::-1] % 3
        assert sample(G, z, labels).mean(axis=(1, 2, 3)).tolist() == [[0, 128, 255][k] for k in labels]


def test_grids_go_round_the_classes():
    assert balanced_labels(7, config(), first=2).tolist() == [2, 0, 1, 2, 0, 1, 2]
    assert balanced_labels(7, Config()) is None


def test_generate_a_label():
    G, c = GAN(config(), np.random.default_rng(0), "cpu").G, config()
    of_class_1 = np.concatenate(list(generate.pictures(G, c, 40, seed=3, label=1)))
    in_turn = np.concatenate(list(generate.pictures(G, c, 40, seed=3)))
    assert len(of_class_1) == len(in_turn) == 40
    assert (of_class_1[1::3] == in_turn[1::3]).all() and (of_class_1[0::3] != in_turn[0::3]).any()
    assert generate_options.as_label("2", c) == 2 and generate_options.as_label(None, c) is None
    for wrong, settings in (("3", c), ("x", c), ("0", Config())):
        with pytest.raises(UserError, match="--label: "):
            generate_options.as_label(wrong, settings)


def test_classes_come_from_the_data():
    count = session.count_classes
    assert count(config(classes=None), labelled()) == 3
    assert count(config(classes=5), labelled()) == 5
    assert count(Config(), labelled()) is None  # networks that are not told
    with pytest.raises(UserError, match="--classes: got 2, expected at least 3"):
        count(config(classes=2), labelled())
    with pytest.raises(UserError, match="--preset carpedm20-mnist needs labels, which the built-in data has not"):
        count(config(), ArraySource(labelled().images, "", ""))
