"""A discriminator's last layer as inner products of factors, its loss in the same launch, both gradients in one."""

import numpy as np
import pytest

from cases import assert_close, host
from dcgan.config import Config
from dcgan.gan import GAN
from gpunet import backend, kernels
from gpunet.backend import choices, factors, inner_products, losses
from gpunet.backend.conv import InnerProducts, form
from gpunet.backend.epilogue import Gradients
from gpunet.backend.factors import DTYPES, Factor, factor
from gpunet.backend.losses import Asked
from gpunet.backend.tensor_cores import After
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, Sequential
from gpunet.layers.base import unsummed

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
everywhere = pytest.mark.parametrize("device", DEVICES)
every_format = pytest.mark.parametrize("precision", list(DTYPES))


@pytest.fixture(autouse=True)
def tensor_cores(device, request):
    """Products in tensor cores' precisions; on the CPU the exact path runs the kernels, and sums are made at once."""
    precision, conv = request.node.callspec.params.get("precision", "bf16"), "mma" if device == "cpu" else "auto"
    with backend.use("kernels"), backend.use_precision(precision), backend.use_conv(conv):
        yield


def numbers(device, *shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape).astype("float32")
    return backend.to_device(values, device)


def rounded(array, precision):
    """A factor's numbers, and the same in float64."""
    made = factor(array, precision)
    return made, host(Factor(made, precision).real()).astype("float64")


@everywhere
@every_format
@pytest.mark.parametrize("n, k", [(1, 8), (5, 24), (6, 136), (64, 72), (3, 5000)])
def test_all_three_passes_follow_their_sums(device, precision, n, k):
    x, x_ = rounded(numbers(device, n, k), precision)
    weight, weight_ = rounded(numbers(device, k, seed=1), precision)
    dy, bias = numbers(device, n, seed=2), numbers(device, 1, seed=3)
    scale = np.abs(x_).max() * np.abs(weight_).max() * np.sqrt(k)
    y = inner_products.output(x, weight, precision, bias)
    assert y.shape == (n, 1, 1, 1)
    assert np.abs(host(y).ravel() - (x_ @ weight_ + host(bias))).max() < 1e-6 * scale
    dweight = numbers(device, k)
    dx, sums = inner_products.gradients(x, dy, weight, precision, dweight, After())
    assert sums is None
    assert_close(dx, (host(dy)[:, None] * weight_.astype("float32")), 0.0)  # one product each
    assert_close(dweight, host(dy).astype("float64") @ x_, 1e-6)


@everywhere
@every_format
@pytest.mark.parametrize("n, k", [(5, 24), (12, 136)])
@pytest.mark.parametrize("slope", [1.0, 0.2, 0.0])
@pytest.mark.parametrize("rounds", [True, False])
def test_both_gradients_in_one_launch_have_the_bits_of_two(device, precision, n, k, slope, rounds):
    x, x_ = rounded(numbers(device, n, k), precision)
    weight, weight_ = rounded(numbers(device, k, seed=1), precision)
    dy, after = numbers(device, n, seed=2), After(slope, x, rounds)
    together, alone = numbers(device, k), numbers(device, k)
    dx, _ = inner_products.gradients(x, dy, weight, precision, together, after)
    assert inner_products.gradients(x, dy, weight, precision, alone, None) == (None, None)
    theirs, _ = inner_products.input_grad(dy, weight, precision, after)
    expected = host(dy)[:, None] * weight_.astype("float32") * np.where(x_ > 0, 1, slope).astype("float32")
    assert host(together).tobytes() == host(alone).tobytes()
    if rounds:
        assert (dx.precision, dx.slope) == (theirs.precision, theirs.slope) == (precision, slope)
        dx, theirs = dx.numbers, theirs.numbers
        expected = host(factor(backend.to_device(expected, device), precision))
    assert host(dx).tobytes() == host(theirs).tobytes()
    np.testing.assert_array_equal(host(dx), expected)


@everywhere
@every_format
@pytest.mark.parametrize("pixels, channels, n, batches", [(4, 8, 6, 2), (4, 128, 6, 1), (2, 256, 10, 2), (9, 24, 9, 3)])
@pytest.mark.parametrize("affine", [True, False])
def test_the_sums_for_batch_norm_are_those_of_its_own_pass(device, precision, pixels, channels, n, batches, affine):
    k, per_channel = pixels * channels, (batches, channels) if batches > 1 else (channels,)
    x, weight = factor(numbers(device, n, k), precision), factor(numbers(device, k, seed=1), precision)
    dy, norm_x = numbers(device, n, seed=2), Factor(factor(numbers(device, n, k, seed=3), precision), precision)
    mean, rstd = numbers(device, *per_channel, seed=4), abs(numbers(device, *per_channel, seed=5))
    scale, shift = (numbers(device, channels, seed=seed) for seed in (6, 7)) if affine else (None, None)
    norm = Gradients(norm_x, mean, rstd, scale, shift, 0.2, (None, numbers(device, channels)))
    dweight, alone = numbers(device, k), numbers(device, k)
    found = [inner_products.gradients(x, dy, weight, precision, dweight, After(rounds=True, norm=norm), channels)]
    found += [inner_products.input_grad(dy, weight, precision, After(rounds=True, norm=norm), channels)]
    expected, none = inner_products.gradients(x, dy, weight, precision, alone, After(rounds=True), channels)
    assert none is None
    assert_close(dweight, alone, 1e-6)
    shape = (n, pixels, channels)
    given = (expected.real().reshape(shape).copy(), norm_x.real().reshape(shape), mean, rstd, scale, shift, 0.2)
    _, dscale, dshift = backend.batchnorm_backward.reference(*given)
    for dx, sums in found:
        assert host(dx.numbers).tobytes() == host(expected.numbers).tobytes()
        assert_close(sums[0], dscale, 1e-5)
        assert_close(sums[1], dshift, 1e-5)
        assert_close(sums[2].sum(axis=0), np.stack([host(sums[1]), host(sums[0])]), 1e-6)
        assert all(host(a).tobytes() == host(b).tobytes() for a, b in zip(sums, found[0][1], strict=True))
    assert found[0][1][1] is norm.out[1]  # where batch norm wants it
    other = norm._replace(x=Factor(norm_x.numbers, "bf16" if precision == "fp16" else "fp16"))
    assert inner_products.input_grad(dy, weight, precision, After(rounds=True, norm=other), channels)[1] is None


LOSSES = {
    "bce of two": ("bce", (0.9, 0.2)), "bce of one": ("bce", (1.0,)), "linear": ("linear", (1.0, -1.0)),
    "square": ("square", (1.0, 0.1)), "hinge": ("hinge", (1.0, -1.0)), "linear of one": ("linear", (1.0,)),
}  # fmt: skip


@everywhere
@every_format
@pytest.mark.parametrize("n", [2, 6, 66, 130])
@pytest.mark.parametrize("asked", LOSSES.values(), ids=LOSSES)
def test_the_loss_in_the_same_launch_has_the_bits_of_its_own(monkeypatch, device, precision, n, asked):
    monkeypatch.setattr(losses, "at_once", lambda array: True)
    x, weight = factor(numbers(device, n, 40), precision), factor(numbers(device, 40, seed=1), precision)
    first = Asked(*asked)
    y = inner_products.output(x, weight, precision, None, first)
    ours = first.of(y)
    assert first.found[0] is y and ours[2].shape == y.shape
    with choices.fusing(False):
        second = Asked(*asked)
        again = inner_products.output(x, weight, precision, None, second)
    assert second.found is None and host(again).tobytes() == host(y).tobytes()
    for mine, theirs in zip(ours, second.of(again), strict=True):
        assert theirs is None or host(mine).tobytes() == host(theirs).tobytes()
    for mine, theirs in zip(ours, first.of(y + 0), strict=True):  # of other answers the loss is computed anew
        assert theirs is None or host(mine).tobytes() == host(theirs).tobytes()


@everywhere
def test_a_loss_of_more_answers_than_one_pass_adds_has_a_launch_of_its_own(monkeypatch, device):
    monkeypatch.setattr(inner_products, "MOST", 4)
    x, weight = factor(numbers(device, 10, 8), "bf16"), factor(numbers(device, 8), "bf16")
    asked = Asked("bce", (1.0, 0.0))
    inner_products.output(x, weight, "bf16", None, asked)
    assert asked.found is None


def network(device, last=4, bias=True):
    """The end of a discriminator; `last` is the size of its last kernel, the maps have 4x4 pixels."""
    layers = Conv2d(8, 8, 3, padding=1, bias=False), BatchNorm(8), LeakyReLU(0.2), Conv2d(8, 1, last, bias=bias)
    net = Sequential(*layers)
    for seed, parameter in enumerate(net.parameters()):
        parameter.data = host(numbers("cpu", *parameter.data.shape, seed=seed))
    return net.to(device)


def passes(net, device, trains=True):
    """y, dx and all gradients of two passes."""
    found = []
    for seed in range(2):
        for parameter in net.parameters():
            parameter.grad = None
        y = net.forward(numbers(device, 6, 4, 4, 8, seed=seed))
        dy = numbers(device, *y.shape, seed=9)
        dx = net.backward(dy, input_grad=trains)
        found += [y, dx, *(parameter.grad for parameter in net.parameters())]
    return [host(a) for a in found if a is not None]


@everywhere
@every_format
@pytest.mark.parametrize("bias", [True, False])
def test_the_last_layer_of_a_network(monkeypatch, device, precision, bias):
    """The layer before it rounds its x; numbers are those of a network in which it rounds x itself."""
    entries, launch = [], kernels.launch
    monkeypatch.setattr(kernels, "launch", lambda entry, *a, **k: (entries.append(entry), launch(entry, *a, **k))[1])
    net = network(device, bias=bias)
    found = passes(net, device)
    file = factors.file_of(precision)
    summed = f"{file}.inner_products_backward_and_sums"
    assert entries.count(f"{file}.inner_products") == entries.count(summed) == 2
    with choices.fusing(False):
        for ours, theirs in zip(found, passes(network(device, bias=bias), device), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
    assert entries.count(f"{file}.inner_products_backward") == 2 * 2 and entries.count(summed) == 2  # dx, dweight alone
    with backend.use_precision("fp32"), backend.use_conv("tiled"):
        exact = passes(network(device, bias=bias), device)
    for ours, theirs in zip(found, exact, strict=True):
        assert_close(ours, theirs, 0.1 if precision == "bf16" else 0.02)


@everywhere
@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_kernel_that_does_not_cover_the_image_takes_another_form(device, last):
    net = network(device, last)
    assert all(np.isfinite(a).all() for a in passes(net, device))
    with backend.use_precision("fp32"), backend.use_conv("tiled"):
        exact = passes(network(device, last), device)
    for ours, theirs in zip(passes(network(device, last), device), exact, strict=True):
        assert_close(ours, theirs, 0.1)


@everywhere
def test_which_layers_are_inner_products(device):
    asked = device, np.dtype("float32")
    assert form.inner_rounding((4, 4, 512, 1), *asked) == "bf16"
    for weight in ((4, 4, 512, 2), (1, 1, 512, 1), (3, 3, 3, 1)):
        assert form.inner_rounding(weight, *asked) is None
    assert form.inner_rounding((4, 4, 512, 1), device, np.dtype("float64")) is None
    with backend.use_precision("tf32x3"):
        assert form.inner_rounding((4, 4, 512, 1), *asked) is None
    sizes = backend.conv_sizes((2, 4, 4), (4, 4, 8, 1), (1, 1), ((0, 0), (0, 0)))
    assert isinstance(backend.convolution(numbers(device, 4, 4, 8, 1), sizes), InnerProducts)


@everywhere
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("loss", ["ns", "hinge", "ls"])
def test_steps_of_a_gan_do_not_change(monkeypatch, device, precision, loss):
    """Fused and unfused: losses, gradients and weights behind some steps are the same bits.

    Sums for batch norm are left to batch norm here: those of its neighbours are added in another order.
    """
    monkeypatch.setattr(losses, "at_once", lambda array: True)
    results = []
    for on in (True, False):
        config = Config(width=8, image_size=8, z_dim=8, batch_size=4, channels=3, precision=precision, loss=loss)
        gan, rng, found = GAN(config, np.random.default_rng(0), device), np.random.default_rng(1), []
        for layer in (*gan.G.walk(), *gan.D.walk()):
            if isinstance(layer, Conv2d | ConvTranspose2d):
                layer.sums_y = layer.sums_dx = unsummed
        for number in range(1, 4):
            real = backend.to_device(rng.standard_normal((4, 8, 8, 3)).astype("float32"), device)
            z = backend.to_device(rng.standard_normal((4, 1, 1, 8)).astype("float32"), device)
            with choices.fusing(on):
                found += map(host, gan.step(number, real, [z]).values())
        results.append([*found, *(host(a) for adam in (gan.adam_G, gan.adam_D) for a in (*adam.data, *adam.m))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
