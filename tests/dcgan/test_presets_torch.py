"""Every preset against its PyTorch twin in float64: forward, all gradients, one full update at the preset's ratio."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from cases import IMPLEMENTATIONS
from dcgan.gan import GAN
from dcgan.presets import config_of
from gpunet import backend
from gpunet.optim import Adam
from gpunet.torch_format import to_torch as to_torch_format

torch = pytest.importorskip("torch")
twins, F = importlib.import_module("benchmarks.rivals.torch_networks"), torch.nn.functional

BATCH, Z, BOUND = 6, 5, 1e-9
NEWMU = {"projection_norm": "feature", "padding": "symmetric", "l2": 1e-2, "fresh_z": True}


def carpedm20_odd(z, w):
    """28 -> 14 -> 7 -> 4 -> 2 and 45 -> 23 -> 12 -> 6 -> 3, one channel."""
    return twins.carpedm20(z, w, (28, 45), ((2, 3), (4, 6), (7, 12), (14, 23)), 1)


def plain_resnet(z, w):
    return twins.resnet(z, w, spectral=False)


CASES = {  # name: (preset, options, twin)
    "dcgan64": ("dcgan64", {"width": 4}, twins.dcgan64),
    "paper": ("paper", {"width": 4}, twins.paper),
    "paper-newmu": ("paper", {"width": 4, **NEWMU}, twins.newmu),
    "carpedm20": ("carpedm20", {"width": 4}, twins.carpedm20),
    "carpedm20-28x45x1": ("carpedm20", {"width": 4, "image_size": "28x45", "channels": 1}, carpedm20_odd),
    "carpedm20-mnist": ("carpedm20-mnist", {"width": 4, "classes": 3}, twins.carpedm20_mnist),
    "mydcgan": ("mydcgan", {"width": 4}, twins.carpedm20),
    "tf-nw": ("tf-nw", {"width": 4}, twins.tf_nw),
    "basicgan": ("basicgan", {"width": 8}, twins.basicgan),
    "anime96": ("anime96", {"width": 4}, twins.anime96),
    "monn28": ("monn28", {"width": 4}, twins.monn28),
    "resnet": ("resnet", {"width": 2, "spectral_norm": False}, plain_resnet),  # tests/gpunet/test_spectral.py has it
    "resnet-20x13x1": (
        "resnet",
        {"width": 3, "image_size": "20x13", "channels": 1, "spectral_norm": False},
        lambda z, w: twins.resnet(z, w, ((5, 4), (10, 7), (20, 13)), 1, spectral=False),
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def pair(request):
    """Our GAN of a preset, its parameters all random, and the twins with the same values."""
    preset, options, build = request.param
    config = config_of({"preset": preset, "z_dim": Z, **options})
    gan, rng, theirs = GAN(config, np.random.default_rng(1), "cpu"), np.random.default_rng(2), build(Z, config.width)
    for name, twin in zip("GD", theirs, strict=True):
        net = getattr(gan, name).to(dtype="float64")
        for own, parameter in zip(net.parameters(), twin.double().parameters(), strict=True):
            values = rng.normal(float(own.data.ndim == 1), 0.3 / np.sqrt(own.data[..., 0].size ** 0.7), own.data.shape)
            own.data[...] = values
            assert tuple(parameter.shape) == to_torch(values).shape
            parameter.data = torch.tensor(to_torch(values))
        setattr(gan, f"adam_{name}", Adam(net.parameters(), config.lr, (0.5, 0.999), weight_decay=config.l2))
    with backend.use(IMPLEMENTATIONS[0]):
        yield gan, *theirs


def to_torch(values):
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[values.ndim]
    return np.ascontiguousarray(values.transpose(axes))


def draw(config):
    """Real pictures, z for every update a step can take, and labels."""
    rng, (h, w) = np.random.default_rng(3), config.image_size
    real = rng.uniform(0, 1, (BATCH, h, w, config.channels or 3))
    return real, rng.standard_normal((3, BATCH, 1, 1, Z)), (np.arange(BATCH) % 3).astype("int32")


def nchw(x):
    return torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def close(actual, expected, what, scale=0.0):
    scale = max(scale, np.abs(expected).max())
    assert np.abs(actual - expected).max() <= BOUND * scale, what


def test_forward(pair):
    gan, G, D = pair
    real, z, labels = draw(gan.config)
    with gan.G.given(labels), gan.D.given(labels):
        fake, logits = gan.G.forward(z[0]), gan.D.forward(real)
    close(fake, G(torch.tensor(z[0, :, 0, 0])).detach().permute(0, 2, 3, 1).numpy(), "pictures")
    close(logits.reshape(BATCH, 1), D(nchw(real)).detach().numpy(), "logits")


def test_a_full_update(pair):
    """D's step and G's, as often as the preset's ratio says; then losses, gradients, parameters, running averages."""
    gan, G, D = pair
    real, z, labels = draw(gan.config)
    number = gan.config.ratio[0]
    stats = gan.step(number, real, list(z[: gan.draws(number)]), labels)
    loss_d, loss_g = torch_update(G, D, gan.config, nchw(real), torch.tensor(z[:, :, 0, 0]))
    assert float(stats["loss_d"]) == pytest.approx(loss_d, rel=BOUND)
    assert float(stats["loss_g"]) == pytest.approx(loss_g, rel=BOUND)
    for own, twin in ((gan.G, G), (gan.D, D)):
        largest = max(float(parameter.grad.abs().max()) for parameter in twin.parameters())
        for (name, mine), parameter in zip(own.named_parameters(), twin.parameters(), strict=True):
            # a bias in front of batch norm has no gradient but rounding errors: hence the second scale
            close(to_torch(mine.grad), parameter.grad.numpy(), f"gradient of {name}", 1e-5 * largest)
            close(to_torch(mine.data), parameter.detach().numpy(), name)
        averages = [array.numpy() for array in twin.buffers() if array.ndim]
        for (name, mine), expected in zip(own.named_buffers(), averages, strict=True):
            close(mine, expected, name)


def torch_update(G, D, config, real, z):
    """One update as autograd does it; return the losses of D and of G's last step."""
    adam_G, adam_D = (torch.optim.Adam(n.parameters(), config.lr, (0.5, 0.999), weight_decay=config.l2) for n in (G, D))
    next_z = iter(z)
    zs = next(next_z)
    fake = G(zs)
    loss_d = bce(D(real), config.real_target) + bce(D(fake.detach()), config.fake_target)
    adam_D.zero_grad()
    loss_d.backward()
    adam_D.step()
    for i in range(config.ratio[1]):
        if config.fresh_z:
            fake = G(next(next_z))
        elif i:
            fake = G(zs)
        loss_g = bce(D(fake), config.generator_target)
        adam_G.zero_grad()
        gradients = torch.autograd.grad(loss_g, list(G.parameters()))  # D's are left as its own step made them
        for parameter, gradient in zip(G.parameters(), gradients, strict=True):
            parameter.grad = gradient
        adam_G.step()
    return loss_d.item(), loss_g.item()


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def test_spectral_norm_of_resnet():
    """D as it is by default: three training passes and one in evaluation, from the same weights, u and v."""
    config = config_of({"preset": "resnet", "width": 2, "z_dim": Z})
    own, (_, twin) = GAN(config, np.random.default_rng(1), "cpu").D.to(dtype="float64"), twins.resnet(Z, 2)
    arrays, names = to_torch_format(own), list(twin.double().state_dict())
    values = (torch.from_numpy(array) for array in arrays.values())
    twin.load_state_dict(dict(zip(names, values, strict=True)))  # both in the same order
    real = np.random.default_rng(2).uniform(-1, 1, (BATCH, 64, 64, 3))
    with backend.use(IMPLEMENTATIONS[0]):
        for mode in (True, True, True, False):
            close(own.train(mode).forward(real), twin.train(mode)(nchw(real)).detach().numpy(), "logits")
            own.forget()
