"""The search for z: what G drew is found again, z stays where z may be, classes are tried, misuse is one line."""

import numpy as np
import pytest

import dcgan
from cases import host
from dcgan import presets, sampling
from dcgan.errors import UserError
from dcgan.inversion import start
from dcgan.inversion.effort import Effort, Networks
from dcgan.inversion.search import search
from gpunet import backend
from gpunet.layers import BatchNorm
from running import write_pictures

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 3, "device": "cpu"}


def networks(device="cpu", **given):
    """Networks with random weights, large enough that every z has a picture of its own."""
    config = presets.config_of({"width": 4, "image_size": 16, "z_dim": 4, **given})
    preset, rng = presets.find(config.preset), np.random.default_rng(0)
    nets = preset.generator(config), preset.discriminator(config)
    for net in nets:
        for parameter in net.parameters():
            parameter.data[...] = rng.standard_normal(parameter.data.shape) / parameter.data.size**0.25
    return Networks(*(net.to(device) for net in nets), config)


def drawn(nets, count, labels=None):
    """Return random pictures of G, uint8, and the same as numbers."""
    z = sampling.draw_z(np.random.default_rng(99), count, nets.config)
    pictures = sampling.sample(nets.G, z, labels)
    return pictures, backend.images_to_real(pictures, low=sampling.lowest(nets.G))


def test_what_was_drawn_is_found_again(cell):
    nets, steps = networks(cell.device), 120 if cell.device == "cpu" else 12
    before = {name: host(array).copy() for name, array in nets.G.state_dict().items()}
    pictures, targets = drawn(nets, 3)
    found = search(nets, Effort(steps=steps, starts=4), targets)
    assert found.z.shape == (3, 4) and found.labels is None and found.losses.shape == (3,)
    near = [start.psnr(frame, pictures).mean() for frame in found.frames]
    assert near[-1] > (40 if cell.device == "cpu" else near[0] + 3)
    assert (found.frames[-1] == sampling.sample(nets.G, found.z[:, None, None])).all()
    assert all((host(array) == before[name]).all() for name, array in nets.G.state_dict().items())
    assert not nets.G.training and all(layer._saved is None for layer in nets.G.walk())


@pytest.mark.parametrize("z_dist", ["normal", "uniform", "unsigned"])
def test_z_stays_where_its_distribution_is(z_dist):
    """The target is white, which G cannot draw: the search would take z as far as it may."""
    nets = networks(z_dist=z_dist)
    z = search(nets, Effort(steps=40, starts=2), np.ones((2, 16, 16, 3), "float32")).z
    low, high = {"normal": (-4, 4), "uniform": (-1, 1), "unsigned": (0, 1)}[z_dist]
    assert (z >= low).all() and (z <= high).all() and np.linalg.norm(z, axis=1).max() < 2 + 2 + 1e-5


def test_long_z_are_shortened_and_others_stay():
    z = np.array([[3.0, 4.0, 0, 0], [30.0, 40.0, 0, 0], [0, 0, 0, 0]])
    start.bring_back(z, "normal")
    assert np.allclose(z, [[2.4, 3.2, 0, 0], [2.4, 3.2, 0, 0], [0, 0, 0, 0]])  # sqrt(4) + 2 = 4
    z = np.array([[1.0, 2.0]])
    start.bring_back(z, "normal")
    assert z.tolist() == [[1, 2]]


def test_the_start_is_the_nearest_random_picture():
    """As plain loops find it, with weights of pixels and without."""
    nets = networks()
    _, targets = drawn(nets, 2)
    weights = np.random.default_rng(0).random((2, 16, 16, 1)).astype("float32")
    pool = sampling.draw_z(np.random.default_rng(5), start.POOL, nets.config)
    pictures = backend.images_to_real(sampling.sample(nets.G, pool))
    for given in (None, weights):
        starts = start.nearest(nets, Effort(starts=3, seed=5), targets, weights=given)
        for i in range(2):
            w = 1 if given is None else given[i]
            apart = [(w * (picture - targets[i]) ** 2).sum() for picture in pictures]
            assert (starts.z[i] == pool[np.argsort(apart)[:3]]).all()


@pytest.mark.parametrize("starts, each", [(2, 1), (7, 2)])
def test_every_class_is_tried_and_the_right_one_found(starts, each):
    nets = networks(preset="carpedm20-mnist", classes=3, channels=1)
    classes = np.array([2, 0, 1, 1], "int32")
    pictures, targets = drawn(nets, 4, classes)
    assert start.nearest(nets, Effort(starts=starts), targets).labels.shape == (4, 3 * each)
    found = search(nets, Effort(steps=60, starts=starts), targets)
    assert found.labels.tolist() == classes.tolist() and start.psnr(found.frames[-1], pictures).min() > 30
    told = search(nets, Effort(steps=60, starts=starts), targets, labels=classes)
    assert told.labels.tolist() == classes.tolist()


def test_more_pictures_than_a_batch_holds_take_turns(monkeypatch):
    monkeypatch.setattr("dcgan.inversion.search.ROWS", 4)
    nets = networks()
    pictures, targets = drawn(nets, 5)
    found = search(nets, Effort(steps=100, starts=2), targets)
    assert found.z.shape == (5, 4) and start.psnr(found.frames[-1], pictures).min() > 30


def test_statistics_of_a_batch_have_no_part():
    """In a network that samples by the statistics of its batch, z is found by the averages, and the choice stays."""
    nets = networks()
    norms = [layer for layer in nets.G.walk() if isinstance(layer, BatchNorm)]
    expected = search(nets, Effort(steps=5, starts=2), drawn(nets, 2)[1]).z
    _, targets = drawn(nets, 2)
    for layer in norms:
        layer.batch_statistics = True
    assert (search(nets, Effort(steps=5, starts=2), targets).z == expected).all()
    assert norms and all(layer.batch_statistics for layer in norms)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    write_pictures(place / "data", 8)
    return dcgan.train(data=place / "data", out=place, implementation="reference", **SMALL)


def test_inverting_in_python(run):
    pictures = run.sample(2, seed=7)
    z = run.invert(pictures, steps=80)
    assert z.shape == (2, 5) and z.dtype == np.float32
    again = run.generator(z)
    assert np.abs((again + 1) * 127.5 - pictures).mean() < 4
    assert (run.invert(pictures, steps=3, seed=4) == run.invert(pictures, steps=3, seed=4)).all()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"steps": 0}, "--steps: got '0'"),
        ({"starts": 200}, "--starts: got '200', expected a whole number from 1 to 128"),
        ({"features_weight": -1}, "--features-weight: got '-1'"),
        ({"speed": 1}, "got the option speed, expected some of steps, starts"),
        ({"labels": [0, 1]}, "labels: got .0, 1., expected none"),
    ],
)
def test_misuse(run, given, message):
    with pytest.raises(UserError, match=message):
        run.invert(run.sample(2), **given)


def test_a_file_without_D_is_enough_without_features(run):
    nets = run.networks()._replace(D=None)
    targets = backend.images_to_real(run.sample(1))
    assert search(nets, Effort(steps=1), targets).z.shape == (1, 5)
    with pytest.raises(UserError, match="holds no discriminator"):
        search(nets, Effort(steps=1, prior=0.1), targets)
