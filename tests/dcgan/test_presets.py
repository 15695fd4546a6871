"""dcgan.presets: sizes, counts, settings and first weights are those of the systems."""

import math

import numpy as np
import pytest

from dcgan import summary
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.presets import PRESETS, config_of, find, initialiser
from gpunet import backend
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, Linear, Residual, SpectralNorm

COUNTS = {  # trainable parameters of G and D
    "dcgan64": (3_576_704, 2_765_568),
    "paper": (18_855_040, 17_232_768),
    "carpedm20": (5_135_363, 4_316_545),
    "carpedm20-mnist": (7_065_211, 3_769_479),
    "mydcgan": (5_135_363, 4_316_545),
    "tf-nw": (18_868_480, 4_314_689),
    "basicgan": (3_183_872, 3_146_241),
    "anime96": (3_578_432, 2_767_296),
    "monn28": (4_314_627, 1_042_561),
    "resnet": (3_356_323, 4_859_073),
}
MAPS = {  # what the layers with weights give, in G and in D
    "dcgan64": ("4x4x512 8x8x256 16x16x128 32x32x64 64x64x3", "32x32x64 16x16x128 8x8x256 4x4x512 1x1x1"),
    "paper": ("16384 8x8x512 16x16x256 32x32x128 64x64x3", "32x32x128 16x16x256 8x8x512 4x4x1024 1"),
    "carpedm20": ("8192 8x8x256 16x16x128 32x32x64 64x64x3", "32x32x64 16x16x128 8x8x256 4x4x512 1"),
    "carpedm20-mnist": ("1024 6272 14x14x128 28x28x1", "14x14x11 7x7x74 1024 1"),
    "mydcgan": ("8192 8x8x256 16x16x128 32x32x64 64x64x3", "32x32x64 16x16x128 8x8x256 4x4x512 1"),
    "tf-nw": ("16384 8x8x512 16x16x256 32x32x128 64x64x3", "32x32x64 16x16x128 8x8x256 4x4x512 1"),
    "basicgan": ("256 12288", "256 1"),
    "anime96": ("4x4x512 8x8x256 16x16x128 32x32x64 96x96x3", "32x32x64 16x16x128 8x8x256 4x4x512 1x1x1"),
    "resnet": (
        "8192 8x8x256 16x16x128 32x32x64 64x64x32 64x64x3",  # a block counts as one
        "32x32x64 16x16x128 8x8x256 4x4x512 1",
    ),
    "monn28": ("2048 7x7x256 14x14x128 28x28x3", "14x14x64 7x7x128 7x7x256 1"),
}
SETTINGS = {  # z, batch size, epochs, D:G, fresh z, learning rate schedule, sample and checkpoint cadence
    "dcgan64": ("normal", 64, 25, (1, 1), False, "constant", 200, 500),
    "paper": ("uniform", 128, 25, (1, 1), False, "constant", "1ep", "1ep"),
    "carpedm20": ("uniform", 64, 25, (1, 2), False, "constant", 200, 200),
    "carpedm20-mnist": ("uniform", 64, 25, (1, 2), False, "constant", 200, 200),
    "mydcgan": ("uniform", 64, 25, (1, 2), False, "constant", 100, 500),
    "tf-nw": ("normal", 32, 20, (1, 1), False, "step", 300, "1ep"),
    "basicgan": ("normal", 32, 20, (1, 1), False, "step", 300, "1ep"),
    "anime96": ("normal", 256, 200, (5, 1), True, "constant", "1,5,10,20,50,100,199ep", "10ep"),
    "resnet": ("normal", 64, 25, (1, 1), False, "constant", 200, 500),
    "monn28": ("uniform", 16, 2, (1, 1), False, "constant", 400, "1ep"),
}


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def networks(name, **options):
    config = config_of({"preset": name, **options})
    return find(name).generator(config), find(name).discriminator(config)


def has_weights(layer):
    return isinstance(layer, Residual | SpectralNorm) or hasattr(layer, "weight")


@pytest.mark.parametrize("name", PRESETS)
def test_counts_and_maps(name):
    config = config_of({"preset": name})
    for net, shape, count, maps in zip(
        networks(name),
        [(1, 1, 100), (*config.image_size, config.channels or 3)],
        COUNTS[name],
        MAPS[name],
        strict=True,
    ):
        rows = list(summary.rows(net, shape))
        assert sum(parameter.data.size for parameter in net.parameters()) == count
        weighted = [row for row, layer in zip(rows, net, strict=True) if has_weights(layer)]
        assert " ".join("x".join(map(str, row.shape)) for row in weighted) == maps


@pytest.mark.parametrize("name", PRESETS)
def test_settings(name):
    c = config_of({"preset": name})
    assert SETTINGS[name] == (
        c.z_dist, c.batch_size, c.epochs, c.ratio, c.fresh_z, c.lr_schedule, c.sample_every, c.checkpoint_every
    )  # fmt: skip
    assert (c.lr, c.beta1, c.beta2, c.z_dim, c.fake_target) == (2e-4, 0.5, 0.999, 100, 0)
    assert (c.real_target, c.generator_target) == ((0.9, 0.9) if name == "monn28" else (1, 1))
    for net in networks(name, width=2):
        for norm in [layer for layer in net.walk() if isinstance(layer, BatchNorm)]:
            assert (norm.eps, norm.momentum) == ((1e-3, 0.01) if name == "monn28" else (1e-5, 0.1))
            assert (norm.scale is None) == (name == "tf-nw")


@pytest.mark.parametrize("size", [(28, 28), (108, 108), (45, 80), (1, 5), (64, 48), (17, 33)], ids=str)
@pytest.mark.parametrize("name", ["paper", "carpedm20", "tf-nw", "carpedm20-mnist", "basicgan", "monn28", "resnet"])
def test_any_size(name, size):
    if name == "monn28" and min(size) < 17:
        with pytest.raises(UserError, match="sides have to be 17 up"):
            find(name).check(Config(image_size=size))
        return
    G, D = networks(name, width=2, image_size=size, z_dim=3)
    labels = np.array([0, 9, 4], "int32")
    with G.given(labels), D.given(labels):
        x = G.forward(np.random.default_rng(0).standard_normal((3, 1, 1, 3), dtype="float32"))
        logits = D.forward(x)
        assert x.shape == (3, *size, 1 if name == "carpedm20-mnist" else 3) and logits.size == 3
        assert G.backward(D.backward(np.ones_like(logits))).shape == (3, 1, 1, 3)


def test_sizes_of_anime96():
    assert networks("anime96", width=1, image_size="48x72")[0].eval().forward(np.ones((1, 1, 1, 100), "f4")).shape == (
        1, 48, 72, 3
    )  # fmt: skip
    with pytest.raises(UserError, match="multiples of 24; the nearest that works is --image-size 72x96"):
        find("anime96").check(Config(image_size=(64, 100)))


def test_options_that_networks_do_not_read_are_refused():
    for name, option in [("dcgan64", "padding"), ("basicgan", "bn_eps"), ("carpedm20", "classes")]:
        with pytest.raises(UserError, match=f"networks of {name} leave no such choice, those of .* do"):
            config_of({"preset": name, option: {"padding": "same", "bn_eps": 1e-3, "classes": 3}[option]})


def first_weights(name):
    """Every weight by its kind of layer and its fans, G's and D's."""
    found = []
    for net in networks(name, width=8):
        initialiser(config_of({"preset": name}))(net, np.random.default_rng(0))
        found += [(type(layer), layer.weight.data) for layer in net.walk() if hasattr(layer, "weight")]
    return found


@pytest.mark.parametrize(
    "name, expected",
    [  # kind: (standard deviation, cut at two of them)
        ("dcgan64", {Conv2d: (0.02, False), ConvTranspose2d: (0.02, False)}),
        ("paper", {Conv2d: (0.02, False), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("carpedm20", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("carpedm20-mnist", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, False), Linear: (0.02, False)}),
        ("tf-nw", {Conv2d: (0.02, True), ConvTranspose2d: (0.02, True), Linear: (0.01, False)}),
        ("basicgan", {Linear: (0.01, False)}),
    ],
)
def test_first_weights(name, expected):
    for kind, weight in [(kind, weight) for kind, weight in first_weights(name) if weight.size > 5000]:
        std, cut = expected[kind]
        assert weight.std() == pytest.approx(std * (0.8796 if cut else 1), rel=0.05)
        assert (np.abs(weight).max() <= 2 * std + 1e-9) == cut


def test_first_weights_of_anime96_and_monn28():
    for _, weight in first_weights("anime96"):  # the two axes that a filter sees, as PyTorch counts them
        fan_in = math.prod(weight.shape[:3])
        assert np.abs(weight).max() <= 1 / math.sqrt(fan_in) and (
            weight.size < 5000 or np.abs(weight).max() > 0.99 / math.sqrt(fan_in)
        )
    for _, weight in first_weights("monn28"):
        limit = math.sqrt(6 / (math.prod(weight.shape[:-2]) * sum(weight.shape[-2:])))
        assert 0.9 * limit < np.abs(weight).max() <= limit


def test_init_overrides_the_presets():
    G, _ = networks("monn28", width=8)
    initialiser(config_of({"preset": "monn28", "init": "truncated"}))(G, np.random.default_rng(0))
    assert all(np.abs(layer.weight.data).max() <= 0.04 for layer in G if hasattr(layer, "weight"))
