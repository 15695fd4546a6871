"""dcgan.penalties: when they come, in which networks, as graphs, on tensor cores; test_losses.py has their numbers."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest

from dcgan import checks as before_the_start
from dcgan import penalties, presets, stepper
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.presets.preset import Preset
from dcgan.stepper import Inputs, Stepper
from gpunet import backend, layers
from gpunet.optim import Adam
from small_gan import BATCH, make_gan


def test_penalties_come_at_every_kth_step_of_D():
    def steps(**given):
        gan = make_gan(**given)
        return [number for number in range(1, 13) if gan.penalties(number)]

    assert steps() == [] and steps(r1=1.0, r1_every=1) == list(range(1, 13)) == steps(loss="wgan-gp")
    assert steps(r1=1.0) == [1] and steps(r1=1.0, r1_every=5) == [1, 6, 11]
    assert steps(r1=1.0, r1_every=2, alternate=True) == [2, 6, 10]  # D has the batches 2, 4, 6 ...
    assert steps(r1=1.0, r1_every=3, alternate=True, ratio="2:1") == [2, 6, 11]  # and here 2, 3, 5, 6, 8, 9 ...


def test_networks_that_a_penalty_can_pass_are_accepted(monkeypatch):
    net = layers.Sequential(layers.Conv2d(3, 1, 4), layers.LayerNorm(1), layers.LeakyReLU(0.2))
    discriminator = lambda config: net if config.norm_d == "batch" else layers.Sequential()  # noqa: E731
    preset = Preset("", discriminator, discriminator, lambda net, rng: None, follows=("norm_d",))
    monkeypatch.setattr(penalties.presets, "find", lambda name: preset)
    penalties.check(Config(loss="wgan-gp", r1=1.0))
    net.layers.append(layers.BatchNorm(1))
    with pytest.raises(UserError, match="has BatchNorm.* take --norm-d layer, instance or none$"):
        penalties.check(Config(r1=1.0))


@pytest.mark.parametrize("penalty", [{"r1": 1.0}, {"loss": "wgan-gp"}], ids=["r1", "gp"])
@pytest.mark.parametrize("name", presets.PRESETS)
def test_what_a_refusal_recommends_is_accepted(name, penalty):
    """By the same check, for each preset and each norm that the line names."""
    penalty = {"real_target": 1.0, "generator_target": 1.0, **penalty}  # monn28 has 0.9, which wgan-gp does not take
    try:
        before_the_start.check(presets.config_of({"preset": name, **penalty}))
    except UserError as error:
        advice = str(error).rpartition("take --norm-d ")[2]
        norms, _, others = (re.split(", | or ", part) for part in advice.partition(" with --preset "))
        assert norms == ["layer", "instance", "none"] and (others == [""]) == ("norm_d" in presets.find(name).follows)
        for preset in [name] if others == [""] else others:
            for norm in norms:
                before_the_start.check(presets.config_of({"preset": preset, "norm_d": norm, **penalty}))
    else:
        assert name in ("basicgan", "resnet")  # whose D has no batch norm


def test_instance_norm_is_not_recommended_where_its_maps_are_too_small():
    """Four halvings of 16x16 pixels leave one, which instance norm would make 0."""
    with pytest.raises(UserError, match="take --norm-d layer or none$"):
        penalties.check(presets.config_of({"preset": "paper", "image_size": "16", "r1": 1.0}))


class Place:
    """Takes the place of `Upload` on the CPU."""

    def __init__(self, examples):
        self.inputs = [np.zeros_like(example) for example in examples]

    def __call__(self, arrays, stream):
        for place, array in zip(self.inputs, arrays, strict=True):
            place[...] = array


class Replay:
    """Takes the place of `Graph` on the CPU."""

    def __init__(self, function, inputs):
        self.function, self.inputs = function, inputs

    def __call__(self, stream):
        return self.function(*self.inputs)


def stepped(device, graph, **given):
    """Return the numbers of nine steps through a Stepper, and how many graphs it has made."""
    gan, rng = make_gan(device, "float32", **given), np.random.default_rng(1)
    steps, found = Stepper(gan, "cuda" if graph else device, graph), []
    with steps.running():
        for number in range(1, 10):
            images = rng.integers(0, 256, (BATCH, 8, 8, 1), dtype="uint8")
            z, mix = rng.standard_normal((BATCH, 1, 1, 3)).astype("float32"), penalties.draw_mix(rng, BATCH)
            stats = steps(number, Inputs(images, [z], mix=mix if gan.mixes(number) else None))
            found.append({name: float(value) for name, value in stats.items()})
    return found, len(steps.graphs)


GRAPHS = [({"r1": 1.0, "r1_every": 4}, 2), ({"loss": "wgan-gp"}, 1), ({"loss": "wgan-gp", "r1": 1.0}, 2), ({}, 1)]


@pytest.mark.parametrize("given, graphs", GRAPHS)
def test_steps_with_and_without_a_penalty_are_two_graphs(monkeypatch, given, graphs):
    """With stand-ins that run on the CPU."""
    monkeypatch.setattr(stepper, "Upload", Place)
    monkeypatch.setattr(stepper, "Graph", Replay)
    monkeypatch.setattr(stepper, "computing_stream", contextlib.nullcontext)
    monkeypatch.setattr(stepper, "working_on", lambda stream: stream)
    monkeypatch.setattr(backend, "to_device", lambda array, device: array)
    with backend.use("reference"):
        replayed, made = stepped("cpu", True, **given)
        assert replayed == stepped("cpu", False, **given)[0] and made == graphs


@pytest.mark.cuda
@pytest.mark.parametrize("given, graphs", GRAPHS[:3])
def test_a_graph_with_penalties_is_the_step_bit_for_bit(given, graphs):
    with backend.use("kernels"):
        replayed, made = stepped("cuda", True, **given)
        assert replayed == stepped("cuda", False, **given)[0] and made == graphs


@pytest.mark.cuda
@pytest.mark.parametrize("precision, error", [("tf32", 0.01), ("bf16", 0.06), ("fp16", 0.01)])
def test_penalties_on_tensor_cores_are_those_of_full_precision(precision, error):
    """A D whose layers tensor cores take; fp16 with a scaled loss, and weights that Adam has rounded."""
    found = {}
    for name in ("fp32", precision):
        config = Config(width=8, z_dim=3, image_size=16, channels=1, batch_size=BATCH, r1=2.0, loss="wgan-gp",
                        precision=name)  # fmt: skip
        gan, rng = GAN(config, np.random.default_rng(1), "cuda"), np.random.default_rng(2)
        gan.D = layers.Sequential(
            layers.Conv2d(1, 8, 4, 2, 1), layers.LeakyReLU(0.2), layers.Conv2d(8, 16, 4, 2, 1), layers.LayerNorm(16),
            layers.LeakyReLU(0.2), layers.Conv2d(16, 1, 4),
        ).to("cuda")  # fmt: skip
        for parameter in gan.D.parameters():
            drawn = rng.standard_normal(parameter.data.shape).astype("float32") / 4
            parameter.data[...] = backend.to_device(drawn, "cuda")
        gan.adam_D = Adam(gan.D.parameters(), 1e-3, loss_scale=2.0**10 if name == "fp16" else None)
        real, z = rng.standard_normal((BATCH, 16, 16, 1)), rng.standard_normal((BATCH, 1, 1, 3))
        given = [backend.to_device(array.astype("float32"), "cuda") for array in (real, z, rng.random(BATCH))]
        with backend.use("kernels"), backend.use_precision(name):
            stats = gan.step(1, given[0], [given[1]], mix=given[2])
        gradients = np.concatenate([backend.to_numpy(p.grad).ravel() for p in gan.D.parameters()])
        found[name] = np.array([float(stats[key]) for key in ("r1", "gp")]), gradients
    for exact, rounded in zip(found["fp32"], found[precision], strict=True):
        assert np.linalg.norm(rounded - exact) <= error * np.linalg.norm(exact)
        assert precision == "fp32" or (rounded != exact).any()
