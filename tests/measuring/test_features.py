"""Features of D and of the classifier, which is trained, kept and found again."""

import numpy as np
import pytest

from dcgan import presets
from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.measuring.features import average_over_places, classifier, discriminator
from gpunet import backend


def stripes(count, size=(12, 12), labelled=True):
    """Pictures of stripes along or across on noise, and which of the two each has."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (count, *size, 1), "uint8")
    labels = rng.integers(0, 2, count)
    images[labels == 0, ::4] += 120
    images[labels == 1, :, ::4] += 120
    return ArraySource(images, "stripes", f"stripes {size}", None, labels if labelled else None, ["a", "b"])


@pytest.fixture
def quickly(tmp_path, monkeypatch):
    """A short training, and a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(classifier, "SETTINGS", classifier.SETTINGS | {"steps": 40, "batch_size": 16, "width": 4})
    with backend.use("reference"):
        yield tmp_path


def test_the_classifier_learns_the_classes_and_is_kept(quickly):
    source, said = stripes(300), []
    found = classifier.features_of(source, "cpu", said.append)
    assert found.origin["accuracy"] > 0.9 and found.origin["learns"] == "classes" and "is done once" in said[0]
    images = source.batch(np.arange(5))
    features = found.extract(images, None)
    assert features.shape == (5, classifier.SETTINGS["hidden"]) and features.dtype == "float32"
    assert (features >= 0).all() and (features > 0).any()  # behind a ReLU
    np.testing.assert_allclose(found.extract(images[2:3], None)[0], features[2], rtol=1e-5, atol=1e-6)
    assert said[1].startswith("the classifier tells the class and is right about ")
    again = classifier.features_of(source, "cpu", said.append)
    assert len(said) == 3 and again.origin == found.origin
    assert np.array_equal(again.extract(images, None), features)


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_cache_is_made_anew(quickly, damage):
    source = stripes(100)
    first = classifier.features_of(source, "cpu", lambda line: None).origin
    (file,) = (quickly / "dcgan").iterdir()
    file.write_bytes(file.read_bytes()[:-7] if damage is None else damage)
    said = []
    assert classifier.features_of(source, "cpu", said.append).origin == first and "is done once" in said[0]


def test_other_data_and_other_labels_have_another_classifier(quickly):
    for source in (stripes(100), stripes(90), stripes(100, labelled=False)):
        classifier.features_of(source, "cpu", lambda line: None)
    assert len(list((quickly / "dcgan").iterdir())) == 3


def test_a_cache_that_cannot_be_written_is_told(quickly, monkeypatch):
    (quickly / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(quickly / "file"))
    said = []
    classifier.features_of(stripes(50), "cpu", said.append)
    assert any("the classifier is not kept" in line for line in said)


@pytest.mark.parametrize("size, classes", [((12, 12), 4), ((8, 12), 2)])
def test_data_without_labels_is_turned(quickly, size, classes):
    found = classifier.features_of(stripes(200, size, labelled=False), "cpu", lambda line: None)
    assert (found.origin["learns"], found.origin["classes"]) == ("turns", classes)


def test_turned():
    images = np.arange(2 * 3 * 3, dtype="uint8").reshape(2, 3, 3, 1)
    found = classifier.turned(images, np.array([0, 1]), 1)
    assert np.array_equal(found[0], images[0]) and found[1, :, 0, 0].tolist() == [11, 10, 9]
    assert np.array_equal(classifier.turned(images, np.array([1, 1]), 2), images[:, ::-1, ::-1])


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (16, 40), (128, 128)])
def test_the_network_of_a_size(size):
    net = classifier.network((*size, 3), 7)
    with backend.use("reference"):
        assert net.eval().forward(np.zeros((2, *size, 3), "float32")).shape == (2, 7)


# Numbers of the last map, as the layers of each preset's docstring say: 8 or 4 times the width, or width + classes.
@pytest.mark.parametrize("preset, width", [("dcgan64", 32), ("carpedm20-mnist", 7), ("monn28", 16), ("paper", 32)])
def test_the_last_map_of_a_discriminator(preset, width):
    """Means of the map in front of the logit, and each picture's own."""
    given = {"classes": 3} if preset == "carpedm20-mnist" else {}
    config = presets.config_of({"preset": preset, "width": 4, "channels": 1, **given})
    chosen = presets.find(preset)
    G, D = chosen.generator(config), chosen.discriminator(config)
    images = np.random.default_rng(0).integers(0, 256, (4, *config.image_size, 1), "uint8")
    labels = np.arange(4, dtype="int32") % 3 if chosen.conditional else None
    with backend.use("reference"):
        found = discriminator.features_of(D, G).extract(images, labels)
        one = discriminator.features_of(D, G).extract(images[1:2], None if labels is None else labels[1:2])
    assert found.shape == (4, width) and np.ptp(found, axis=0).max() > 0
    np.testing.assert_allclose(one[0], found[1], rtol=1e-4, atol=1e-6)


def test_the_map_of_dcgan64_by_hand():
    """All layers but the last two (the convolution to one logit, and its flattening), in evaluation mode."""
    config = Config(width=4, channels=3)
    D, G = presets.find("dcgan64").discriminator(config), presets.find("dcgan64").generator(config)
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), "uint8")
    with backend.use("reference"):
        maps = [y for _, _, y in D.eval().answers(backend.images_to_real(images)) if y.shape[1:3] == (4, 4)]
        found = discriminator.features_of(D, G).extract(images, None)
    assert maps[-1].shape == (3, 4, 4, 32)
    np.testing.assert_allclose(found, maps[-1].mean(axis=(1, 2)), rtol=1e-5)


def test_average_over_places():
    x = np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    assert average_over_places(x, -1).tolist() == x.mean(axis=1).tolist()
    assert average_over_places(x, 1).tolist() == x.mean(axis=2).tolist()
    assert average_over_places(x[:, :, 0], 1) is not None and average_over_places(x[:, 0], 1).shape == (2, 4)
