"""--accumulate: a step of several batches is that of one large batch, in less memory; and what a run makes of it."""

import json

import numpy as np
import pytest

from cases import assert_close, host
from dcgan.augment import draw, noise_of
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.run.folder import RunDir
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, kernels
from gpunet.average import Average
from gpunet.backend import cells
from gpunet.layers import Conv2d, ConvTranspose2d, LeakyReLU, Sequential, Tanh
from gpunet.optim import Adam
from running import run_train

SMALL = {"width": 2, "image_size": 8, "channels": 1, "z_dim": 3}


def networks():
    """A GAN for pictures of 8x8 without batch norm."""
    G = Sequential(ConvTranspose2d(3, 4, 4, 1, 0), LeakyReLU(0.2), ConvTranspose2d(4, 1, 4, 2, 1), Tanh())
    D = Sequential(Conv2d(1, 4, 4, 2, 1), LeakyReLU(0.2), Conv2d(4, 1, 4, 1, 0))
    return G, D


def trained(cell, batch_size, accumulate, steps=3, **options):
    """A GAN without batch norm, in float64, after some steps of 12 pictures, and the numbers for the log."""
    config = Config(**{**SMALL, "batch_size": batch_size, "accumulate": accumulate, **options})
    gan, rng, found = GAN(config, np.random.default_rng(0), cell.device), np.random.default_rng(1), []
    for name, net in zip("GD", networks(), strict=True):
        for parameter in net.parameters():
            parameter.data = rng.standard_normal(parameter.data.shape) / 4
        net.to(cell.device, "float64")
        adam = Adam(net.parameters(), 0.01, clip_grad=config.clip_grad, accumulate=accumulate)
        setattr(gan, name, net)
        setattr(gan, f"adam_{name}", adam)
    gan.average_G = Average(gan.G, gan.adam_G)
    stepper = Stepper(gan, cell.device, graph=False)
    real_of_bytes = cells.images_to_real
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "images_to_real", lambda images, **more: real_of_bytes(images, "float64", **more))
        for number in range(1, steps + 1):
            images, flip = rng.integers(0, 256, (12, 8, 8, 1), dtype="uint8"), rng.random(12) < 0.5
            zs = [draw_z(rng, 12, config).astype("float64") for _ in range(gan.draws(number))]
            changes = draw(rng, config, gan.views(number))
            stats = stepper(number, Inputs(images, zs, flip, None, changes))
            found.append({name: float(value) for name, value in stats.items()})
    return gan, found


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ratio": "1:2"},
        {"ratio": "2:2", "fresh_z": True},
        {"alternate": True},
        {"augment": "color,translation,cutout", "clip_grad": 0.2},
    ],
    ids=["1:1", "1:2", "2:2, new z", "alternating", "changed, clipped"],
)
def test_several_batches_are_one_large_batch(cell, options):
    whole, expected = trained(cell, 12, 1, **options)
    for batch_size, accumulate in ((4, 3), (1, 12)):
        parts, found = trained(cell, batch_size, accumulate, **options)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-10)
        for name in ("G", "D"):
            pairs = zip(getattr(parts, name).parameters(), getattr(whole, name).parameters(), strict=True)
            for mine, other in pairs:
                assert_close(mine.data, host(other.data), 1e-10, name)
        assert_close(parts.average_G.parameters_average[0], host(whole.average_G.parameters_average[0]), 1e-10)
        assert parts.adam_G.state_dict()["step"] == whole.adam_G.state_dict()["step"]


def losses(device, graph, accumulate, implementation="kernels"):
    """Steps of a network that is told labels, with every option that changes a step."""
    config = config_of(
        {"preset": "carpedm20-mnist", "classes": 3, "width": 1, "image_size": 8, "z_dim": 3, "batch_size": 4,
         "accumulate": accumulate, "augment": "color,translation,cutout", "instance_noise": 0.2, "clip_grad": 0.5,
         "ratio": "2:1"}
    )  # fmt: skip
    count, found = config.pictures_per_step, []
    with backend.use(implementation):
        gan, rng = GAN(config, np.random.default_rng(0), device), np.random.default_rng(1)
        stepper = Stepper(gan, device, graph)
        with stepper.running():
            for number in range(1, 9):
                images = rng.integers(0, 256, (count, 8, 8, 1), dtype="uint8")
                zs = [draw_z(rng, count, config) for _ in range(gan.draws(number))]
                labels = rng.integers(0, 3, count).astype("int32")
                more = draw(rng, config, gan.views(number)), noise_of(config, number, number / 10)
                stats = stepper(number, Inputs(images, zs, None, labels, *more))
                found.append({name: float(value) for name, value in stats.items()})
    return found


@pytest.mark.parametrize("accumulate", [1, 2])
def test_all_options_on_the_cpu(accumulate):
    """Both implementations agree; every number is there; noise and changes are other ones at every step."""
    found, expected = (losses("cpu", False, accumulate, name) for name in ("kernels", "reference"))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=2e-3)
    names = {"loss_d", "d_real", "d_fake", "grad_d"}
    assert [set(stats) for stats in found] == [names, names | {"loss_g", "grad_g"}] * 4


@pytest.mark.cuda
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_graph_is_the_step_bit_for_bit_and_the_cpus(accumulate):
    with_graph, without = losses("cuda", True, accumulate), losses("cuda", False, accumulate)
    assert with_graph == without
    for ours, theirs in zip(without, losses("cpu", False, accumulate), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-3)


@pytest.mark.usefixtures("numbers_for_plot")
def test_a_run_counts_updates(tiny, run, capsys):
    """20 pictures, 2 x 4 a step: two steps an epoch. The same pictures as with batches of 8, in the same order."""
    assert run_train(*tiny, "--batch-size 4 --accumulate 2 --epochs 3 --checkpoint-every 2") == 0
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [(record["step"], record["epoch"]) for record in records] == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]
    assert [path.stem for path in RunDir(run).saved()] == ["000006", "000004", "000002"]
    capsys.readouterr()
    assert run_train(*tiny, "--batch-size 8 --accumulate 3 --steps 2") == 2
    error = capsys.readouterr().err
    assert "fewer images than a step of --batch-size 8 with --accumulate 3 takes, which are 24" in error


@pytest.mark.parametrize(
    "options, launches",
    [
        ({"augment": "color,translation,cutout"}, 6),  # in D's step, forward and backward in G's: means, then pictures
        ({"augment": "translation,cutout"}, 3),
        ({"instance_noise": 0.1}, 2),
        ({"clip_grad": 1.0}, 10),  # a network: squares and scaling of matrices and of vectors, and the factor
    ],
)
def test_launches_that_an_option_adds_to_a_step(monkeypatch, options, launches):
    """As docs/training.md says; the same on a GPU, where reading a norm for the log is one more for each network."""
    counts, launch = [], kernels.launch
    monkeypatch.setattr(kernels, "launch", lambda *args, **more: counts.append(args[0]) or launch(*args, **more))
    found = []
    for given in ({}, options):
        config = Config(**{**SMALL, "batch_size": 4, "image_size": 16, **given})
        with backend.use("kernels"):
            gan, rng = GAN(config, np.random.default_rng(0), "cpu"), np.random.default_rng(1)
            more = draw(rng, config, gan.views(1)), noise_of(config, 1, 0.0)
            images, z = np.zeros((4, 16, 16, 1), "uint8"), draw_z(rng, 4, config)
            counts.clear()
            Stepper(gan, "cpu", graph=False)(1, Inputs(images, [z], None, None, *more))
        found.append(len(counts))
    assert found[1] - found[0] == launches
