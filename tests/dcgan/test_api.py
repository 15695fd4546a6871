"""dcgan.load and dcgan.train: a run in code of yours gives what the commands give; misuse is one clear line."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import dcgan
from cases import assert_close, host
from dcgan import discriminator_features
from dcgan.errors import UserError
from gpunet import checkpoint
from gpunet.layers import BatchNorm, Conv2d, Flatten, LeakyReLU, Linear, Sequential
from running import PLACE, run_generate, run_train, write_pictures

HERE = {"device": "cpu", "implementation": "reference"}
SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 3, **HERE}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return dcgan.train(out=tmp_path_factory.mktemp("runs"), **SMALL)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    place = tmp_path_factory.mktemp("pets")
    for name in ("cat", "dog"):
        write_pictures(place / name, 8)
    return dcgan.train(data=place, preset="carpedm20-mnist", out=place / "runs", **SMALL)


def test_training_is_that_of_the_command(tiny, runs, tmp_path):
    assert run_train(*tiny, "--steps 3 --seed 3") == 0
    seen = []
    options = dict(SMALL, data=str(tmp_path / "data"), seed=3, out=tmp_path / "other", checkpoint_every=500)
    made = dcgan.train(callback=seen.append, **options)
    name = "0001-dcgan64/checkpoints/000003.h5"
    theirs, ours = (checkpoint.load(folder / name) for folder in (runs, tmp_path / "other"))
    for part in theirs["gan"]:
        assert all((np.asarray(value) == ours["gan"][part][name]).all() for name, value in theirs["gan"][part].items())
    assert [numbers["step"] for numbers in seen] == [1, 2, 3] and all("loss_d" in numbers for numbers in seen)
    assert made.step == 3 and made.name == "0001-dcgan64"


def test_sampling_is_that_of_the_command(run, tmp_path):
    folder = run.config.out + "/" + run.name
    assert run_generate(folder, "--count 130 --seed 2 --out", tmp_path, *PLACE) == 0
    pictures = run.sample(130, seed=2)
    for i, path in enumerate(sorted(tmp_path.glob("*.png"))):
        with Image.open(path) as image:
            assert (np.asarray(image) == pictures[i]).all()
    assert (run.at(path.name) == pictures[129]).all() and run.address(2, 130) == image.text["address"]
    assert run.sample(0).shape == (0, 16, 16, 3)


def test_the_generator_draws_the_samples(run):
    z = np.random.default_rng(2).standard_normal((128, 5)).astype("float32")
    drawn = np.round((run.generator(z) + 1) * 127.5)
    assert np.abs(drawn - run.sample(128, seed=2)).max() <= 1  # of 255: rounding at the middle
    assert_close(run.generator(z.reshape(128, 1, 1, 5)), run.generator(z), 0)


def test_the_discriminator_takes_pictures_and_numbers(run):
    pictures = run.sample(5)
    as_numbers = pictures / 127.5 - 1
    assert run.discriminator(pictures).shape == (5,)
    assert_close(run.discriminator(as_numbers), run.discriminator(pictures), 1e-5)
    assert_close(run.discriminator(pictures[:2]), run.discriminator(pictures)[:2], 1e-5)
    assert_close(run.features(pictures[:2]), run.features(pictures)[:2], 1e-5)


def test_labels(labelled):
    assert labelled.labels == ("cat", "dog")
    dogs = labelled.sample(3, label="dog")
    assert (dogs == labelled.sample(3, label=1)).all() and (dogs != labelled.sample(3, label="cat")).any()
    z = np.zeros((2, 5))
    of_each = labelled.generator(z, [0, 1])
    assert (of_each[0] != of_each[1]).any()
    assert labelled.discriminator(dogs, [1, 1, 1]).shape == (3,) and labelled.features(dogs, [1, 1, 1]).ndim == 2
    for wrong in (None, [1], [0, 1, 2], [0, 0, -1], [0, 0.5, 1], ["cat", "dog", "dog"]):
        with pytest.raises(UserError, match="labels: got"):
            labelled.discriminator(dogs, wrong)
    assert (labelled.at(labelled.address(4, 2, "dog")) == labelled.sample(2, seed=4, label="dog")[1]).all()


@pytest.mark.parametrize(
    "misuse, message",
    [
        (lambda run: run.sample(2, label="cat"), "--label: the networks of dcgan64 are not told labels"),
        (lambda run: run.generator(np.zeros((2, 6))), r"z: got shape \(2, 6\), expected \(N, 5\)"),
        (lambda run: run.discriminator(np.zeros((2, 8, 8, 3))), r"expected \(N, 16, 16, 3\)"),
        (lambda run: run.at("0007-dcgan64_3_0_1"), "expected one of 0001-dcgan64, step 3"),
        (lambda run: run.discriminator(run.sample(2), [0, 1]), "labels: got .0, 1., expected none"),
        (lambda run: run.at("here"), "--address: got 'here'"),
        (lambda run: dcgan.load("nowhere"), "no such run folder or checkpoint: nowhere"),
        (lambda run: run.sample(-1), "count: got '-1', expected a whole number of at least 0"),
        (lambda run: run.sample(2.5), "count: got '2.5', expected a whole number"),
        (lambda run: run.sample(2, seed=-1), "seed: got '-1', expected a whole number of at least 0"),
        (lambda run: run.address(0, 0), "index: got '0', expected a whole number of at least 1"),
        (lambda run: run.generator(np.full((2, 5), np.nan)), "z: got NaN or an infinite number"),
        (lambda run: run.generator(np.full((2, 5), 1e300)), "z: got NaN or an infinite number"),
        (lambda run: run.generator([["a"] * 5]), "z: expected an array of numbers"),
        (lambda run: run.generator(np.zeros((0, 5))), r"z: got shape \(0, 5\)"),
        (lambda run: run.discriminator(np.full((1, 16, 16, 3), np.inf)), "pictures: got NaN or an infinite number"),
        (lambda run: dcgan.load(run.config.out + "/" + run.name, "best"), "weights: got 'best', expected one of ema"),
        (lambda run: dcgan.load(run.config.out + "/" + run.name, devise="cpu"), "unknown option devise: did you mean"),
        (lambda run: dcgan.train(stepz=3), "unknown option stepz: did you mean steps?"),
        (lambda run: dcgan.train("photographs/"), "callback: got 'photographs/', expected a function"),
        (lambda run: dcgan.train(width=0), "--width: got '0'"),
        (lambda run: dcgan.train(preset="gan"), "--preset: got 'gan'"),
    ],
)
def test_misuse(run, misuse, message):
    with pytest.raises(UserError, match=message):
        misuse(run)


def test_what_a_callback_raises_ends_the_training(tmp_path):
    with pytest.raises(ZeroDivisionError):
        dcgan.train(callback=lambda numbers: 1 / 0, out=tmp_path, **SMALL)


def test_import_loads_nothing_until_it_is_asked_for():
    program = "import sys, dcgan; assert 'numpy' not in sys.modules; dcgan.load; assert 'numpy' in sys.modules"
    program += "; import dcgan.train; assert callable(dcgan.train) and dcgan.train.parser"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        dcgan.lode  # noqa: B018


def test_pooled_maps():
    y = np.arange(2 * 7 * 3 * 2).reshape(2, 7, 3, 2)
    pooled = discriminator_features.pooled_map(y, 4)  # rows begin at 0, 1, 3, 5; three columns stay
    assert pooled.shape == (2, 4, 3, 2)
    for row, (start, end) in enumerate(((0, 1), (1, 3), (3, 5), (5, 7))):
        assert (pooled[:, row] == y[:, start:end].max(axis=1)).all()


def test_features_of_cells(cell):
    """The maps behind activations, whether these run inside another layer or by themselves."""
    rng = np.random.default_rng(0)
    D = Sequential(Conv2d(3, 4, 4, 2, 1), LeakyReLU(0.2), Conv2d(4, 8, 4, 2, 1), BatchNorm(8), LeakyReLU(0.2),
                   Flatten(), Linear(8 * 4 * 4, 1)).to(cell.device, "float32")  # fmt: skip
    x = rng.standard_normal((2, 16, 16, 3)).astype("float32")
    found = discriminator_features.pooled(D, cell.array(x, "float32"))
    expected, y = [], cell.array(x, "float32")
    D.eval()
    for layer in D.layers[:2]:
        y = layer.forward(y) if not isinstance(layer, LeakyReLU) else y
    expected.append(discriminator_features.pooled_map(host(y), 4).reshape(2, -1))
    for layer in D.layers[2:4]:
        y = layer.forward(y)
    expected.append(discriminator_features.pooled_map(host(y), 4).reshape(2, -1))
    assert_close(found, np.concatenate(expected, axis=1), 1e-6)
