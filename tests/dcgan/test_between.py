"""Pictures between G and D: as cells on tensor cores, as arrays elsewhere; both ways the numbers are the same bits."""

from unittest import mock

import numpy as np
import pytest

from cases import host
from dcgan import between
from dcgan.augment import View
from dcgan.config import Config
from dcgan.gan import GAN
from gpunet import backend, kernels
from gpunet.backend.cells import Bytes
from gpunet.backend.choices import fusing

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
BATCH = 4


@pytest.fixture
def tensor_cores(device, precision):
    """Products on tensor cores; on the CPU the exact path imitates them."""
    conv = "mma" if device == "cpu" else "auto"
    with backend.use("kernels"), backend.use_precision(precision), backend.use_conv(conv):
        yield


def trained(device, steps=2, **given):
    """Return the states after some steps, and the numbers of the last one's log."""
    options = {"width": 8, "image_size": 16, "z_dim": 8, "batch_size": BATCH} | given
    config = Config(**options)
    gan, rng = GAN(config, np.random.default_rng(1), device), np.random.default_rng(2)
    for number in range(1, steps + 1):
        size = (BATCH, *config.image_size, config.channels or 3)
        images, flip = rng.integers(0, 256, size, "uint8"), rng.random(BATCH) < 0.5
        zs = [rng.standard_normal((BATCH, 1, 1, 8)).astype("float32") for _ in range(gan.draws(number))]
        labels = None if config.classes is None else np.arange(BATCH, dtype="int32") % config.classes
        there = [None if a is None else backend.to_device(a, device) for a in (images, flip, labels, *zs)]
        noise = np.array([config.instance_noise, 3, 5, 7]) if config.instance_noise else None
        view = View(config, None, None if noise is None else backend.to_device(noise, device))
        stats = gan.step(number, Bytes(there[0], there[1], -1.0), there[3:], there[2], view)
    state = gan.state_dict()
    return [state[net][name] for net in "GD" for name in sorted(state[net])] + [host(v) for v in stats.values()]


def as_arrays():
    """Within the block pictures go from G to D as arrays. (fusing(False) takes other sums apart, too.)"""
    return mock.patch.object(between, "layout_between", lambda *given: None)


@everywhere
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16", "tf32x3"])
def test_cells_and_arrays_give_the_same_bits(device, precision, tensor_cores):
    """In tf32x3 pictures are not rounded: there a GPU's compiler may fuse a product and a sum in one kernel alone."""
    exact = (device, precision) != ("cuda", "tf32x3")
    with as_arrays():
        wanted = trained(device, precision=precision)
    for a, b in zip(trained(device, precision=precision), wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-6)


@pytest.mark.parametrize("device", ["cpu"])
@pytest.mark.parametrize("precision", ["bf16"])
def test_without_fusing_they_go_as_arrays(device, precision, tensor_cores):
    """Also G's last layer hands over arrays: the numbers are the same but for the order of batch norm's sums."""
    with fusing(False):
        apart = trained(device, 1, precision=precision)
        assert between.layout_between(*networks(precision), View(), (BATCH, 16, 16, 3)) is None
    assert between.layout_between(*networks(precision), View(), (BATCH, 16, 16, 3)) is not None
    losses = trained(device, 1, precision=precision)[-4:]  # of both networks, and D's mean answers
    np.testing.assert_allclose(losses, apart[-4:], rtol=0.01)


def networks(precision):
    """Return G and D of the tiny config."""
    gan = GAN(Config(width=8, image_size=16, z_dim=8, precision=precision), np.random.default_rng(1), "cpu")
    return gan.G, gan.D


@pytest.mark.parametrize("device", ["cpu"])
@pytest.mark.parametrize("precision", ["bf16"])
def test_nothing_is_copied_between_the_networks(device, precision, tensor_cores, monkeypatch):
    """One launch writes pictures on their way to D; their gradient comes back in the launch that computes it."""
    launched, launch = [], kernels.launch

    def noted(name, *args, **kwargs):
        launched.append(name.split(".")[-1])
        return launch(name, *args, **kwargs)

    monkeypatch.setattr(kernels, "launch", noted)
    trained(device, 1, precision=precision)
    of_pictures = ("batch", "images", "pictures", "cells", "tanh", "unfold", "fold")
    moving = [name for name in launched if name.split("_")[0] in of_pictures]
    assert moving == ["batch_to_cells"]
    assert "join" not in launched


OTHER = {
    "grey": {"channels": 1},
    "fresh z": {"fresh_z": True},
    "twice G": {"ratio": (1, 2)},
    "G alone": {"ratio": (1, 1), "alternate": True},
    "parts": {"accumulate": 2},
    "noise": {"instance_noise": 0.1},
    "kernel 5": {"preset": "carpedm20", "width": 8},
    "labels": {"conditional": "joined", "classes": 2},
    "projection": {"conditional": "projection", "classes": 2},
    "spectral": {"spectral_norm": True},
    "penalty": {"r1": 10.0, "norm_d": "none"},
    "sigmoid": {"preset": "basicgan"},
}


@pytest.mark.parametrize("device", ["cpu"])
@pytest.mark.parametrize("precision", ["bf16"])
@pytest.mark.parametrize("options", OTHER.values(), ids=OTHER)
def test_so_they_do_with_every_option(device, precision, tensor_cores, options):
    with as_arrays():
        wanted = trained(device, precision=precision, **options)
    for a, b in zip(trained(device, precision=precision, **options), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
