"""--upsample, --norm-d, --spectral-norm, --head: the layers that take others' places, against PyTorch and in runs."""

import importlib

import numpy as np
import pytest

from dcgan.config import Config, networks
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.presets import PRESETS, config_of, find, variants
from dcgan.presets.preset import OF_VARIANTS
from gpunet import backend
from gpunet.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    GlobalAveragePool,
    InstanceNorm,
    LayerNorm,
    Linear,
    SpectralNorm,
    Upsample,
)
from gpunet.torch_format import to_torch
from running import run_train

TINY = {"width": 2, "z_dim": 3, "image_size": 16, "batch_size": 4}
EVERY = {"upsample": "nearest", "norm_d": "layer", "spectral_norm": True, "head": "pool"}
VARIED = [name for name, preset in PRESETS.items() if set(OF_VARIANTS) <= set(preset.follows)]
CHOICES = [
    {"upsample": "nearest"},
    {"norm_d": "layer"},
    {"norm_d": "instance", "image_size": 32},
    {"norm_d": "none"},
    {"spectral_norm": True},
    {"head": "pool"},
    EVERY,
]


@pytest.fixture(autouse=True)
def reference():
    with backend.use("reference"):
        yield


def both(name, **options):
    config = config_of({"preset": name, **TINY, **options})
    return find(name).generator(config), find(name).discriminator(config)


def kinds(net):
    return [type(layer) for layer in net.walk()]


def test_presets_of_four_by_four_and_five_by_five_kernels_leave_the_choice():
    assert VARIED == ["dcgan64", "paper", "carpedm20", "mydcgan", "tf-nw"]


@pytest.mark.parametrize("name", VARIED)
def test_each_option_exchanges_its_layers(name):
    G, D = both(name)
    nearest, _ = both(name, upsample="nearest")
    stride_2 = [layer for layer in G if isinstance(layer, ConvTranspose2d) and layer.stride == (2, 2)]
    assert kinds(nearest).count(Upsample) == kinds(nearest).count(Conv2d) == len(stride_2) > 1
    norms = kinds(D).count(BatchNorm)
    for kind, layer in (("layer", LayerNorm), ("instance", InstanceNorm), ("none", None)):
        _, other = both(name, norm_d=kind)
        assert kinds(other).count(BatchNorm) == 0 and kinds(other).count(layer) == (norms if layer else 0)
        biases = [conv.bias is not None for conv in other.walk() if isinstance(conv, Conv2d)]
        assert sum(biases) >= (norms if kind == "none" else 0)  # a bias for the shift that is gone
    weights = sum(kind in (Conv2d, Linear) for kind in kinds(D))
    assert kinds(both(name, spectral_norm=True)[1]).count(SpectralNorm) == weights > 2
    _, pooled = both(name, head="pool")
    assert [type(layer) for layer in pooled.layers[-2:]] == [GlobalAveragePool, Linear]
    assert pooled[-1].features == (4 if name == "dcgan64" else 16, 1)  # the filters of the last map


@pytest.mark.parametrize("size", [(28, 28), (45, 80), (64, 48)], ids=str)
@pytest.mark.parametrize("name", VARIED)
def test_all_options_together_at_any_size(name, size):
    if name == "dcgan64" and size == (45, 80):
        pytest.skip("a size that does not halve")
    G, D = both(name, **{**EVERY, "image_size": size})
    x = G.forward(np.random.default_rng(0).standard_normal((3, 1, 1, 3), dtype="float32"))
    logits = D.forward(x)
    assert x.shape == (3, *size, 3) and logits.shape == (3, 1)
    assert G.backward(D.backward(np.ones_like(logits))).shape == (3, 1, 1, 3)


@pytest.mark.parametrize("options", CHOICES, ids=lambda options: "+".join(f"{k}={v}" for k, v in options.items()))
def test_a_run_resumes_bit_for_bit(options):
    """Three steps, and two with the third behind a state that went to the host and came back into other networks."""
    config = config_of({**TINY, **options})
    whole, part, other = (GAN(config, np.random.default_rng(seed), "cpu") for seed in (0, 0, 1))
    rng = np.random.default_rng(2)
    size = config.image_size
    batches = [(rng.random((4, *size, 3), "float32"), rng.standard_normal((4, 1, 1, 3), "float32")) for _ in range(3)]
    with backend.use("kernels"):
        for number, (real, z) in enumerate(batches, 1):
            whole.step(number, real, [z])
            if number < 3:
                part.step(number, real, [z])
        other.load_state_dict(part.state_dict())
        other.step(3, batches[2][0], [batches[2][1]])
    expected, found = whole.state_dict(), other.state_dict()
    for net in ("G", "D", "average_G"):
        assert expected[net].keys() == found[net].keys()
        assert all((expected[net][name] == found[net][name]).all() for name in expected[net]), net


@pytest.mark.parametrize("options", CHOICES[:4], ids=str)
def test_variants_are_those_of_pytorch(options):
    """Forward and all gradients of dcgan64's variants, in float64."""
    torch = pytest.importorskip("torch")
    nn, twin = torch.nn, importlib.import_module("benchmarks.rivals.torch_layers")
    G, D = (net.to(dtype="float64") for net in both("dcgan64", **{**options, "image_size": 32}))
    w = TINY["width"]

    def up(a, b):
        if options.get("upsample") == "nearest":
            return [nn.Upsample(scale_factor=2), nn.Conv2d(a, b, 3, padding=1, bias=False)]
        return [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]

    def norm(c):
        return {
            "layer": [nn.GroupNorm(1, c)], "instance": [nn.InstanceNorm2d(c, affine=True)], "none": []
        }.get(options.get("norm_d"), [nn.BatchNorm2d(c)])  # fmt: skip

    def down(a, b):
        return [nn.Conv2d(a, b, 4, 2, 1, bias=options.get("norm_d") == "none"), *norm(b), nn.LeakyReLU(0.2)]

    theirs_G = nn.Sequential(
        nn.ConvTranspose2d(3, 4 * w, 4, bias=False), nn.BatchNorm2d(4 * w), nn.ReLU(),
        *up(4 * w, 2 * w), nn.BatchNorm2d(2 * w), nn.ReLU(), *up(2 * w, w), nn.BatchNorm2d(w), nn.ReLU(),
        *up(w, 3), nn.Tanh(),
    ).double()  # fmt: skip
    theirs_D = nn.Sequential(
        nn.Conv2d(3, w, 4, 2, 1, bias=False), twin.leaky(), *down(w, 2 * w), *down(2 * w, 4 * w),
        nn.Conv2d(4 * w, 1, 4, bias=False),
    ).double()  # fmt: skip
    for own, other in ((G, theirs_G), (D, theirs_D)):
        for array, parameter in zip(to_torch_parameters(own), other.parameters(), strict=True):
            assert parameter.shape == array.shape
            parameter.data = torch.from_numpy(array.copy())
    z = np.random.default_rng(0).standard_normal((4, 1, 1, 3))
    logits = D.forward(G.forward(z))
    expected = theirs_D(theirs_G(torch.from_numpy(z.transpose(0, 3, 1, 2).copy())))
    np.testing.assert_allclose(logits.ravel(), expected.detach().numpy().ravel(), rtol=1e-9, atol=1e-12)
    dlogits = np.random.default_rng(1).standard_normal(logits.shape)
    G.backward(D.backward(dlogits.copy()))
    expected.backward(torch.from_numpy(dlogits.transpose(0, 3, 1, 2).copy()))
    for own, other in ((G, theirs_G), (D, theirs_D)):
        for mine, parameter in zip(own.parameters(), other.parameters(), strict=True):
            theirs = parameter.grad.numpy()
            mine = mine.grad.transpose(3, 2, 0, 1) if mine.grad.ndim == 4 else mine.grad
            assert np.abs(mine - theirs).max() <= 1e-9 * np.abs(theirs).max()


def to_torch_parameters(net):
    state = to_torch(net)
    return [array for name, array in state.items() if not name.endswith(("running_mean", "running_var", "tracked"))]


def test_a_spectral_norm_of_first_weights_is_settled():
    """The first step already divides by the largest singular value."""
    gan = GAN(config_of({**TINY, "spectral_norm": True}), np.random.default_rng(0), "cpu")
    for layer in gan.D.walk():
        if isinstance(layer, SpectralNorm):
            weight = layer.layer.weight.data
            divided, _ = backend.spectral_norm(weight, *(a.copy() for a in layer.buffers.values()), layer.eps, 0)
            largest = np.linalg.svd(divided.reshape(-1, divided.shape[-1]), compute_uv=False)[0]
            assert largest == pytest.approx(1, rel=0.05)


def test_words_are_those_that_the_networks_know():
    assert {*variants.NORMS, "batch", "none"} == set(networks.NORMS_D)
    for name in networks.NORMS_D:
        assert Config(norm_d=name).norm_d == name


@pytest.mark.parametrize(
    "given, message",
    [
        (
            "--preset anime96 --upsample nearest",
            "--upsample: the networks of anime96 leave no such choice, those of dc",
        ),
        ("--preset monn28 --norm-d layer", "--norm-d: the networks of monn28 leave no such choice"),
        ("--preset basicgan --spectral-norm", "--spectral-norm: the networks of basicgan leave no such choice"),
        ("--preset resnet --head pool", "--head: the networks of resnet leave no such choice"),
        ("--preset paper --norm-d instance --image-size 16", "--norm-d: got instance, which --image-size is too small"),
        ("--preset resnet --norm-d instance --image-size 1x2", "--norm-d: got instance, which --image-size is too"),
        ("--norm-d group", "--norm-d: got 'group', expected one of batch, layer, instance, none"),
        ("--upsample bilinear", "--upsample: got 'bilinear', expected one of transposed, nearest"),
    ],
)
def test_what_is_refused(given, message, capsys, tmp_path):
    assert run_train(given, "--steps 1 --out", tmp_path / "runs") == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and not (tmp_path / "runs").exists()


def test_an_unknown_variant_is_refused_by_the_config():
    with pytest.raises(UserError, match="--head: got 'mean', expected one of conv, pool"):
        Config(head="mean")
