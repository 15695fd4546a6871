"""The layers compute the same whichever algorithm their convolutions take; and which one `auto` takes."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_close
from gpunet import backend
from gpunet.backend.conv import Direct, Winograd, winograd
from gpunet.backend.conv.form import winograd_tile
from gpunet.layers import Conv2d, ConvTranspose2d, Sequential

LAYERS = [  # layer, input shape
    (lambda: Conv2d(3, 5, 4, stride=2, padding=1), (2, 8, 10, 3)),
    (lambda: Conv2d(2, 3, 5, stride=2, padding="same"), (2, 7, 9, 2)),
    (lambda: Conv2d(4, 2, 3, padding=1, bias=False), (1, 6, 5, 4)),
    (lambda: Conv2d(2, 2, 5, stride=3), (1, 11, 8, 2)),
    (lambda: ConvTranspose2d(5, 3, 4, stride=2, padding=1), (2, 4, 3, 5)),
    (lambda: ConvTranspose2d(2, 4, 5, stride=2, padding="same", output_size=(7, 9)), (2, 4, 5, 2)),
    (lambda: ConvTranspose2d(3, 2, 4, stride=2, padding=1, bias=False), (1, 1, 1, 3)),
    (
        lambda: Sequential(ConvTranspose2d(3, 2, 4, stride=2, padding=1), Conv2d(2, 3, 4, stride=2, padding=1)),
        (2, 3, 4, 3),
    ),
]


def one_pass(make, shape, cell):
    """Return y, dx and all gradients, of parameters that are random and the same every time."""
    layer, rng = make().to(cell.device, "float64"), np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.data[...] = cell.array(rng.standard_normal(parameter.data.shape))
    y = layer.forward(cell.array(rng.standard_normal(shape)))
    dx = layer.backward(cell.array(rng.standard_normal(y.shape)))
    return [y, dx, *(parameter.grad for parameter in layer.parameters())]


@pytest.mark.parametrize("make, shape", LAYERS)
@pytest.mark.parametrize("algorithm", ["winograd2", "winograd4"])
def test_winograd_layers_equal_direct_ones(make, shape, algorithm, cell):
    with backend.use_conv("direct"):
        expected = one_pass(make, shape, cell)
    with backend.use_conv(algorithm):
        actual = one_pass(make, shape, cell)
    assert not np.array_equal(*map(backend.to_numpy, (actual[0], expected[0])))  # it is another sum
    for got, wanted in zip(actual, expected, strict=True):
        assert_close(got, wanted, 1e-12)


def test_gradients_add_up(cell):
    """The second gradient is added to the first, in an optimiser's buffer as elsewhere."""
    with backend.use_conv("winograd2"):
        layer = Conv2d(2, 3, 4, stride=2, padding=1).to(cell.device, "float64")
        x, dy = cell.array(np.random.default_rng(0).standard_normal((1, 6, 6, 2))), cell.array(np.ones((1, 3, 3, 3)))
        layer.weight.grad_buffer = cell.array(np.zeros(layer.weight.data.shape))
        for _ in range(2):
            layer.forward(x)
            layer.backward(dy.copy())
    assert layer.weight.grad is layer.weight.grad_buffer
    with backend.use_conv("direct"):
        once = backend.convolution(layer.weight.data, layer.sizes(x)).weight_grad(x, dy)
    assert_close(layer.weight.grad, 2 * backend.to_numpy(once), 1e-12)


def test_transforms_are_shared(monkeypatch):
    """Forward and both gradients take one transform of each side and one of the weight."""
    calls = []
    for name in ("transform_input", "transform_output_adjoint", "transform_weight"):
        function = getattr(winograd, name)
        monkeypatch.setattr(winograd, name, lambda *a, f=function, n=name: calls.append(n) or f(*a))
    with backend.use_conv("winograd4"):
        layer = Conv2d(2, 3, 4, stride=2, padding=1)
        layer.backward(layer.forward(np.ones((1, 8, 8, 2), "float32")))
    assert sorted(calls) == ["transform_input", "transform_output_adjoint", "transform_weight"]


@pytest.mark.parametrize(
    "chosen, device, images, weight, stride, tile",
    [
        ("auto", "cpu", (64, 32, 32), (4, 4, 64, 128), 2, 4),
        ("auto", "cpu", (64, 32, 32), (4, 4, 3, 64), 2, 0),  # three channels: nothing to save
        ("auto", "cpu", (64, 4, 4), (4, 4, 512, 1), 1, 0),  # the logit: kernel = image
        ("auto", "cpu", (1, 2, 2), (4, 4, 64, 64), 2, 0),  # a whole tile for one pixel
        ("auto", "cuda", (64, 32, 32), (4, 4, 64, 128), 2, 0),  # tensor cores
        ("direct", "cpu", (64, 32, 32), (4, 4, 64, 128), 2, 0),
        ("im2col", "cpu", (64, 32, 32), (4, 4, 64, 128), 2, 0),
        ("winograd2", "cpu", (64, 32, 32), (4, 4, 3, 64), 2, 2),
        ("winograd4", "cuda", (64, 32, 32), (5, 5, 64, 128), 2, 4),
        ("winograd4", "cpu", (64, 32, 32), (4, 3, 64, 128), 2, 0),  # not square
        ("winograd4", "cpu", (64, 32, 32), (4, 4, 64, 128), 1, 0),  # four taps
        ("winograd4", "cpu", (64, 32, 32), (2, 2, 64, 128), 2, 0),  # one tap: already the fewest products
    ],
)
def test_the_tile(chosen, device, images, weight, stride, tile):
    sizes = backend.conv_sizes(images, weight, (stride, stride), ((1, 1), (1, 1)))
    with backend.use_conv(chosen):
        assert winograd_tile(sizes, device) == tile
        if device == "cpu":
            conv = backend.convolution(np.empty(weight, "float32"), sizes)
            assert type(conv) is (Winograd if tile else Direct)
            assert not tile or conv.tiling.m == tile
