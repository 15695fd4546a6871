"""gpunet.tangent: penalties on the gradient of a network, and their gradients, against PyTorch's double backward."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cases import assert_close, host
from gpunet import backend, layers, tangent
from gpunet.gradcheck import off_kinks
from gpunet.layers import (
    AveragePool,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAveragePool,
    GlobalSumPool,
    InstanceNorm,
    JoinLabels,
    LayerNorm,
    LeakyReLU,
    Linear,
    PickLabel,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    SpectralNorm,
    Tanh,
    Upsample,
)  # fmt: skip

BOUND = 1e-10  # float64 on both sides: the same sums in another order
LABELS = [2, 0, 1]

# name: (network, shape of a sample). Each ends with one answer per sample.
NETWORKS = {
    "convolutions and leaky relu": (
        lambda: [Conv2d(2, 3, 4, 2, 1), LeakyReLU(0.2), Conv2d(3, 4, 3, padding="same", bias=False), LeakyReLU(0.1),
                 Conv2d(4, 1, (3, 2))],
        (6, 4, 2),
    ),
    "odd sizes, stride 3, transposed": (
        lambda: [Conv2d(1, 3, 2, 3), ReLU(), ConvTranspose2d(3, 2, 3, 2, 1), LeakyReLU(0.2), Flatten(), Linear(30, 1)],
        (8, 7, 1),
    ),
    "dense": (
        lambda: [Flatten(), Linear(12, 9), LeakyReLU(0.2), Linear(9, 7, bias=False), ReLU(), Linear(7, 1)],
        (2, 2, 3),
    ),
    "reshaped": (lambda: [Flatten(), Linear(6, 8), Reshape((2, 2, 2)), LeakyReLU(0.2), Conv2d(2, 1, 2)], (6,)),
    "layer norm": (
        lambda: [Conv2d(2, 3, 3), LayerNorm(3), LeakyReLU(0.2), Conv2d(3, 4, 2), LayerNorm(4, eps=0.1), ReLU(),
                 Conv2d(4, 1, (3, 2))],
        (6, 5, 2),
    ),
    "layer norm of vectors, without scale": (
        lambda: [Flatten(), Linear(8, 6), LayerNorm(6, scale=False), LeakyReLU(0.2), Linear(6, 5),
                 LayerNorm(5, shift=False), LeakyReLU(0.2), Linear(5, 1)],
        (2, 2, 2),
    ),
    "instance norm": (
        lambda: [Conv2d(2, 3, 3, bias=False), InstanceNorm(3), LeakyReLU(0.2), Conv2d(3, 4, 2, bias=False),
                 InstanceNorm(4, eps=0.1, scale=False, shift=False), LeakyReLU(0.2), Flatten(), Linear(24, 1)],
        (6, 5, 2),
    ),
    "labels": (
        lambda: [JoinLabels(3), Conv2d(5, 4, 3), LeakyReLU(0.2), Flatten(), JoinLabels(3), Linear(19, 1)], (4, 4, 2)
    ),
    "labels projected": (
        lambda: [Conv2d(2, 4, 3), LeakyReLU(0.2),
                 Residual(Sequential(Flatten(), Linear(16, 1)),
                          Sequential(GlobalSumPool(), Linear(4, 3, bias=False), PickLabel(3)))],
        (4, 4, 2),
    ),
    "residual, pooled and upsampled, odd sizes": (
        lambda: [
            Residual(Sequential(Conv2d(2, 4, 3, padding=1), ReLU(), Conv2d(4, 4, 3, padding=1), AveragePool()),
                     Sequential(AveragePool(), Conv2d(2, 4, 1))),
            Residual(Sequential(ReLU(), Conv2d(4, 4, 3, padding=1), LeakyReLU(0.2))),
            Upsample((5, 6)), Conv2d(4, 3, 3), ReLU(), GlobalSumPool(), Linear(3, 1),
        ],
        (5, 6, 2),
    ),
    "residual with layer norm": (
        lambda: [
            Conv2d(1, 3, 3), LayerNorm(3),
            Residual(Sequential(LeakyReLU(0.1), Conv2d(3, 3, 3, padding=1), LayerNorm(3), LeakyReLU(0.2))),
            LeakyReLU(0.2), Flatten(), Linear(36, 1),
        ],
        (6, 5, 1),
    ),
    "global average": (lambda: [Conv2d(1, 4, 2), ReLU(), GlobalAveragePool(), Linear(4, 1)], (3, 4, 1)),
    "spectral norm": (
        lambda: [SpectralNorm(Conv2d(2, 3, 4, 2, 1)), LeakyReLU(0.2), Flatten(), SpectralNorm(Linear(18, 1))], (6, 4, 2)
    ),
}  # fmt: skip
PENALTIES = {"r1": False, "wgan-gp": True}


def make(name, cell, dtype="float64"):
    """Return a network of the table with random weights, and three samples for it."""
    rng, (parts, shape) = np.random.default_rng(3), NETWORKS[name]
    net = Sequential(*parts())
    for parameter in net.parameters():
        parameter.data[...] = off_kinks(rng, parameter.data.shape) / 2
    for layer in net.walk():
        if isinstance(layer, SpectralNorm):
            layer.settle()
    return net.to(cell.device, dtype), cell.array(rng.standard_normal((3, *shape)), dtype)


def penalised(net, x, cell, to_one, weight=3.0):
    """Return the penalty and the gradients of all parameters by name, None for those that it does not depend on."""
    for parameter in net.parameters():
        parameter.grad = None
    with net.given(cell.array(LABELS, "int32")):
        of_g = functools.partial(backend.gradient_penalty, weight=weight, to_one=to_one)
        value = tangent.penalise(net, x, of_g, lambda v: v)
    return float(value), {name: parameter.grad for name, parameter in net.named_parameters()}


def torch_answers(torch, layer, x, tensors, buffers, prefix=""):
    """Return what a layer makes of x, NHWC, by PyTorch; tensors and buffers hold its parameters by our names."""
    f = torch.nn.functional
    weight, bias, scale, shift = (tensors.get(prefix + name) for name in ("weight", "bias", "scale", "shift"))
    if isinstance(layer, Sequential):
        for i, part in enumerate(layer.layers):
            x = torch_answers(torch, part, x, tensors, buffers, f"{prefix}{i}.")
        return x
    if isinstance(layer, SpectralNorm):
        W = tensors[f"{prefix}layer.weight"]
        sigma = buffers[f"{prefix}v"] @ W.reshape(-1, W.shape[-1]) @ buffers[f"{prefix}u"]
        divided = {**tensors, f"{prefix}layer.weight": W / sigma}
        return torch_answers(torch, layer.layer, x, divided, buffers, f"{prefix}layer.")
    if isinstance(layer, Conv2d):
        pads = 1 if layer.padding == "same" else layer.padding  # of 3x3 kernels here
        return f.conv2d(x.movedim(3, 1), weight.permute(3, 2, 0, 1), bias, layer.stride, pads).movedim(1, 3)
    if isinstance(layer, ConvTranspose2d):
        given = weight.permute(3, 2, 0, 1), bias, layer.stride, layer.padding
        return f.conv_transpose2d(x.movedim(3, 1), *given).movedim(1, 3)
    if isinstance(layer, Linear):
        return x @ weight + (0 if bias is None else bias)
    if isinstance(layer, LayerNorm | InstanceNorm):
        axes = tuple(range(1, x.ndim)) if isinstance(layer, LayerNorm) else (1, 2)
        var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        x = (x - mean) / torch.sqrt(var + layer.eps)
        return x * (1 if scale is None else scale) + (0 if shift is None else shift)
    if isinstance(layer, LeakyReLU | ReLU):
        return f.leaky_relu(x, layer.slope)
    if isinstance(layer, JoinLabels):
        one_hot = f.one_hot(torch.tensor(LABELS), layer.classes).to(x)
        return torch.cat([x, one_hot.reshape(3, *[1] * (x.ndim - 2), -1).expand(*x.shape[:-1], -1)], -1)
    if isinstance(layer, PickLabel):
        return x.gather(1, torch.tensor(LABELS)[:, None])
    if isinstance(layer, Residual):
        y = torch_answers(torch, layer.branch, x, tensors, buffers, f"{prefix}branch.")
        given = layer.shortcut, x, tensors, buffers, f"{prefix}shortcut."
        return y + (x if layer.shortcut is None else torch_answers(torch, *given))
    return torch_resized(torch, layer, x)


def torch_resized(torch, layer, x):
    """The same of the layers that only move or add up numbers."""
    if isinstance(layer, Upsample):
        (h, w), twice = layer.output_size, x.repeat_interleave(2, 1).repeat_interleave(2, 2)
        return twice[:, :h, :w]
    if isinstance(layer, AveragePool):
        maps = torch.nn.functional.avg_pool2d(x.movedim(3, 1), 2, ceil_mode=True, count_include_pad=False)
        return maps.movedim(1, 3)
    if isinstance(layer, GlobalAveragePool | GlobalSumPool):
        return x.mean((1, 2)) if isinstance(layer, GlobalAveragePool) else x.sum((1, 2))
    return x.reshape(3, *layer.shape) if isinstance(layer, Reshape) else x.flatten(1)


def torch_penalised(torch, net, x, to_one, weight=3.0):
    """The same by PyTorch's autograd, whose backward pass it differentiates once more."""
    tensors = {name: torch.tensor(host(p.data), requires_grad=True) for name, p in net.named_parameters()}
    buffers = {name: torch.tensor(host(value)) for name, value in net.named_buffers()}
    pictures = torch.tensor(host(x), requires_grad=True)
    answers = torch_answers(torch, net, pictures, tensors, buffers)
    (g,) = torch.autograd.grad(answers.sum(), pictures, create_graph=True)
    squares = (g * g).flatten(1).sum(1)
    penalty = weight * ((squares.sqrt() - 1) ** 2).mean() if to_one else weight / 2 * squares.mean()
    gradients = torch.autograd.grad(penalty, list(tensors.values()), allow_unused=True)
    return penalty.item(), dict(zip(tensors, gradients, strict=True))


@pytest.mark.parametrize("to_one", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("name", NETWORKS)
def test_penalties_and_their_gradients_are_those_of_a_double_backward(cell, name, to_one):
    torch = pytest.importorskip("torch")
    net, x = make(name, cell)
    value, gradients = penalised(net, x, cell, to_one)
    expected, theirs = torch_penalised(torch, net, x, to_one)
    assert value == pytest.approx(expected, rel=BOUND) and expected > 0.01
    largest = max(float(theirs[key].abs().max()) for key in theirs if theirs[key] is not None)
    for key, gradient in gradients.items():
        wanted = np.zeros(1) if theirs[key] is None else theirs[key].numpy()
        got = np.zeros(1) if gradient is None else host(gradient)
        assert np.abs(got - wanted).max() <= BOUND * largest, key
    assert sum(gradient is not None for gradient in gradients.values()) >= 2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_gradient_is_added_and_weights_and_pictures_are_not_written(cell, name):
    net, x = make(name, cell)
    _, once = penalised(net, x, cell, True)
    once = {key: host(value).copy() for key, value in once.items() if value is not None}
    before = [host(array).copy() for array in (x, *(p.data for p in net.parameters()))]
    with net.given(cell.array(LABELS, "int32")):
        of_g = functools.partial(backend.gradient_penalty, weight=3.0, to_one=True)
        tangent.penalise(net, x, of_g, lambda v: 2 * v)  # as with a loss scale of 2
    for key, value in once.items():
        assert_close(dict(net.named_parameters())[key].grad, 3 * value, 1e-12, key)
    for array, kept in zip((x, *(p.data for p in net.parameters())), before, strict=True):
        assert (host(array) == kept).all()


def test_float32_agrees_with_float64(cell):
    for name in NETWORKS:
        (net, x), (narrow, x32) = make(name, cell), make(name, cell, "float32")
        (value, wide), (value32, gradients) = penalised(net, x, cell, True), penalised(narrow, x32, cell, True)
        assert value32 == pytest.approx(value, rel=1e-5)
        largest = max(float(np.abs(host(a)).max()) for a in wide.values() if a is not None)
        for key, gradient in gradients.items():
            if gradient is not None:
                assert gradient.dtype == np.float32
                assert np.abs(host(gradient) - host(wide[key])).max() <= 1e-5 * largest, (name, key)


def test_frozen_parameters_get_no_gradient(cell):
    net, x = make("layer norm", cell)
    net[0].weight.trainable = net[1].scale.trainable = False
    _, gradients = penalised(net, x, cell, True)
    assert gradients["0.weight"] is None and gradients["1.scale"] is None and gradients["3.weight"] is not None


@pytest.mark.parametrize("layer", [BatchNorm(3), Tanh(), layers.Sigmoid()], ids=repr)
def test_layers_without_a_rule_are_named(cell, layer):
    net = Sequential(Conv2d(3, 3, 1), Sequential(LeakyReLU(0.2), layer)).to(cell.device, "float64")
    assert tangent.without_rule(net) == [layer]
    with pytest.raises(ValueError, match=type(layer).__name__ + r"\(.*\) has no tangent pass"):
        tangent.linearise(net, cell.array(np.ones((2, 2, 2, 3))))
