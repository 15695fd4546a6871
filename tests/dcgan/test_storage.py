"""Training with 16 bits between layers, on tensor cores as the CPU imitates them: every network, every loss."""

from __future__ import annotations

import numpy as np
import pytest

from dcgan import augment, penalties, presets
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend
from gpunet.backend.factors import Factor
from gpunet.backend.loss_scale import SCALE
from gpunet.layers import BatchNorm
from preset_runs import SIZES
from tensor_core_nets import on_tensor_cores

BATCH = 4
SMALL = {"width": 8, "z_dim": 8, "image_size": 16, "channels": 3, "batch_size": BATCH}
formats = pytest.mark.parametrize("precision", ["bf16", "fp16"])
OPTIONS = {
    "biases": {"bias": True},
    "nearest": {"upsample": "nearest"},
    "layer norm": {"norm_d": "layer"},
    "instance norm": {"norm_d": "instance"},
    "no norm": {"norm_d": "none"},
    "spectral norm": {"spectral_norm": True, "norm_d": "none"},
    "spectral and batch norm": {"spectral_norm": True, "head": "pool"},
    "joined labels": {"conditional": "joined", "classes": 3},
    "projection": {"conditional": "projection", "classes": 3, "head": "pool"},
    "hinge": {"loss": "hinge"},
    "ls": {"loss": "ls"},
    "wgan": {"loss": "wgan"},
    "wgan-gp": {"loss": "wgan-gp", "norm_d": "layer"},
    "r1": {"r1": 10.0, "r1_every": 1, "norm_d": "instance"},
    "augment": {"augment": "color,translation,cutout", "instance_noise": 0.1},
    "accumulate": {"accumulate": 2, "clip_grad": 0.5},
    "2:1": {"ratio": "2:1", "fresh_z": True},
}


def trained(config, steps=2, state=None, first=1):
    """Return a GAN after some steps on random pictures, the number-th the same in every call, and their numbers."""
    gan, found = GAN(config, np.random.default_rng(0), "cpu"), []
    if state is not None:
        gan.load_state_dict(state)
    stepper = Stepper(gan, "cpu", graph=False)
    for number in range(first, first + steps):
        rng = np.random.default_rng(number)
        count = config.pictures_per_step
        images = rng.integers(0, 256, (count, *config.image_size, config.channels), dtype="uint8")
        zs = [draw_z(rng, count, config) for _ in range(gan.draws(number))]
        labels = rng.integers(0, config.classes, count).astype("int32") if config.classes else None
        changes, noise = augment.draw(rng, config, gan.views(number)), augment.noise_of(config, number, 0.5)
        mix = penalties.draw_mix(rng, count) if gan.mixes(number) else None
        stats = stepper(number, Inputs(images, zs, None, labels, changes, noise, mix))
        found.append({name: float(value) for name, value in stats.items()})
    return gan, found


def assert_trained(config, precision):
    with on_tensor_cores(precision):
        gan, stats = trained(config)
        with gan.averaged():
            pictures = gan.G.eval().forward(draw_z(np.random.default_rng(2), 3, config)) if not config.classes else None
    assert all(np.isfinite(value) for step in stats for value in step.values())
    for net in (gan.G, gan.D):
        for name, array in net.state_dict().items():
            assert array.dtype == "float32" and np.isfinite(array).all(), name
    assert pictures is None or (pictures.dtype == "float32" and np.isfinite(pictures).all())
    updates = [adam.state_dict()["step"] for adam in (gan.adam_D, gan.adam_G)]
    assert updates[0] > 0 and (config.ratio != (1, 1) or updates[1] > 0)


@formats
@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_trains(name, precision):
    classes = 3 if presets.find(name).conditional else None
    given = {"preset": name, **SMALL, "image_size": SIZES[name], "classes": classes}
    assert_trained(presets.config_of(given), precision)


@formats
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_option_trains(options, precision):
    assert_trained(presets.config_of({"preset": "dcgan64", **SMALL, **options}), precision)


@formats
def test_what_layers_keep_for_backward_has_16_bits(precision):
    """Of dcgan64: the pictures' patches or pixels, all maps between convolutions and batch norms; not the logits."""
    with on_tensor_cores(precision):
        config = presets.config_of({"preset": "dcgan64", **SMALL})
        D, kept = GAN(config, np.random.default_rng(0), "cpu").D, []
        D.forward(np.ones((BATCH, 16, 16, 3), "float32"))
        for layer in D.steps:
            kept += [value for value in layer._saved if isinstance(value, Factor | np.ndarray) and value.ndim == 4]
    sizes = {getattr(value, "numbers", value).itemsize for value in kept if value.size > 4 * BATCH * 16}
    assert kept and sizes == {2}


@formats
def test_a_resumed_run_goes_on_bit_for_bit(precision):
    """The state holds the float32 weights; what was stored in 16 bits follows from them."""
    config = presets.config_of({"preset": "dcgan64", **SMALL})
    with on_tensor_cores(precision):
        whole, stats = trained(config, 4)
        half, _ = trained(config, 2)
        resumed, rest = trained(config, 2, half.state_dict(), first=3)
    assert rest == stats[2:]
    for part, values in whole.state_dict().items():
        for name, value in values.items():
            assert np.array_equal(value, resumed.state_dict()[part][name]), (part, name)
    weights = half.state_dict()["D"]["0.weight"]
    assert weights.dtype == "float32" and np.count_nonzero(weights.view("uint32") & 0x1FFF) > 0.9 * weights.size


def test_an_overflow_in_a_stored_gradient_skips_the_update():
    """D's gradients are multiplied by the scale before they are stored: beyond 65504 they are infinite."""
    config = presets.config_of({"preset": "dcgan64", **SMALL, "precision": "fp16"})
    with on_tensor_cores("fp16"):
        before = GAN(config, np.random.default_rng(0), "cpu").state_dict()
        before["adam_D"]["loss_scale"], before["adam_G"]["loss_scale"] = 2.0**24, 2.0**8
        gan, _ = trained(config, 1, before)
    assert gan.adam_D.scaling[SCALE] == 2.0**23 and gan.adam_D.state_dict()["step"] == 0
    assert gan.adam_G.state_dict()["step"] == 1
    for name, value in gan.D.named_parameters():
        assert np.array_equal(value.data, before["D"][name]), name


@formats
def test_evaluation_draws_with_factors(precision):
    """G by its running averages: pictures as from float32 storage, but for rounding."""
    config = presets.config_of({"preset": "dcgan64", **SMALL, "image_size": 32})
    with on_tensor_cores(precision):
        G = trained(config, 2)[0].G.eval()
        z = draw_z(np.random.default_rng(5), 4, config)
        drawn = G.forward(z)
        assert all(layer._saved is None for layer in G.walk() if isinstance(layer, BatchNorm))
    with backend.use("kernels"), backend.use_precision("fp32"):
        exact = G.forward(z)
    assert np.abs(drawn - exact).max() <= (0.03 if precision == "bf16" else 0.004)
