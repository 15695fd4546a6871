"""gpunet.loops: every backward loop is the derivative of its forward loop, and the library computes the same."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest

from cases import assert_close, host
from gpunet import backend, loops
from gpunet.layers import Conv2d, ConvTranspose2d

H = 1e-5  # the step of a central difference
LIMIT = 1e-8  # on its disagreement, relative to the largest derivative
CONVOLUTIONS = [  # H x W, KH x KW, stride, pads
    ((4, 4), (4, 4), (2, 2), ((1, 1), (1, 1))),
    ((5, 4), (3, 2), (2, 1), ((1, 1), (0, 0))),
    ((4, 3), (2, 2), (3, 2), ((0, 0), (1, 0))),  # a stride beyond the kernel, one column of zeros
    ((3, 3), (3, 3), (1, 1), ((0, 0), (0, 0))),
    ((4, 5), (3, 2), (1, 2), ((0, 1), (0, 2))),  # more zeros behind than in front
    ((5, 5), (5, 5), (2, 2), ((2, 2), (2, 2))),
]


def rng():
    return np.random.default_rng(0)


def numeric(function, dy, array):
    """Return the derivative of sum(dy * function()) by each number of an array, by central differences."""
    derivative = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        before = array[place]
        array[place] = before + H
        above = function()
        array[place] = before - H
        derivative[place] = (dy * (above - function())).sum() / (2 * H)
        array[place] = before
    return derivative


def check(function, backward, *arrays):
    """Compare backward(dy), one gradient for each array, with differences of function()."""
    dy = rng().standard_normal(function().shape)
    gradients = backward(dy)
    for gradient, array in zip(gradients, arrays, strict=True):
        assert_close(gradient, numeric(function, dy, array), LIMIT)


def drawn(*shapes):
    generator = rng()
    return [generator.standard_normal(shape) for shape in shapes]


def test_linear():
    x, weight, bias = drawn((3, 4), (4, 2), 2)
    check(lambda: loops.linear(x, weight, bias), lambda dy: loops.linear_backward(dy, x, weight), x, weight, bias)


@pytest.mark.parametrize("hw, kernel, stride, pads", CONVOLUTIONS, ids=str)
def test_conv2d(hw, kernel, stride, pads):
    x, weight, bias = drawn((2, *hw, 2), (*kernel, 2, 3), 3)
    begins = [range(-front, hw[a] + behind - kernel[a] + 1, stride[a]) for a, (front, behind) in enumerate(pads)]
    assert loops.conv2d(x, weight, bias, stride, pads).shape == (2, *map(len, begins), 3)
    check(
        lambda: loops.conv2d(x, weight, bias, stride, pads),
        lambda dy: loops.conv2d_backward(dy, x, weight, stride, pads),
        x, weight, bias,
    )  # fmt: skip


@pytest.mark.parametrize("hw, kernel, stride, pads", CONVOLUTIONS, ids=str)
def test_conv_transpose2d(hw, kernel, stride, pads):
    small = loops.conv2d(np.zeros((1, *hw, 1)), np.zeros((*kernel, 1, 1)), 0, stride, pads).shape[1:3]
    x, weight, bias = drawn((2, *small, 3), (*kernel, 2, 3), 2)
    check(
        lambda: loops.conv_transpose2d(x, weight, bias, stride, pads, hw),
        lambda dy: loops.conv_transpose2d_backward(dy, x, weight, stride, pads),
        x, weight, bias,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(5, 3), (2, 2, 3, 2)])
def test_batchnorm(shape):
    x, scale, shift = drawn(shape, shape[-1], shape[-1])
    check(
        lambda: loops.batchnorm(x, scale, shift, 1e-2),
        lambda dy: loops.batchnorm_backward(dy, x, scale, 1e-2),
        x, scale, shift,
    )  # fmt: skip


@pytest.mark.parametrize("name, more", [("relu", ()), ("leaky_relu", (0.2,)), ("tanh", ()), ("sigmoid", ())])
def test_activations(name, more):
    (x,) = drawn((3, 4))
    function, backward = getattr(loops, name), getattr(loops, f"{name}_backward")
    check(lambda: function(x, *more), lambda dy: [backward(dy, function(x, *more), *more)], x)
    assert_close(backend.to_numpy(getattr(backend, name)(x, *more)), function(x, *more), 1e-14)


@pytest.mark.parametrize("loss, targets", [("bce", (0.0, 0.9, 1.0)), ("square", (-1.0, 0.3)), ("hinge", (1.0, -1.0))])
def test_losses(loss, targets):
    (logits,) = drawn((4, 2))
    for target in targets:
        value, dlogits = loops.mean_loss(getattr(loops, loss), logits, target)
        formula = getattr(loops, loss)
        difference = numeric(lambda t=target, f=formula: np.array(loops.mean_loss(f, logits, t)[0]), 1.0, logits)
        assert_close(dlogits, difference, LIMIT)
        if loss == "bce":
            ours, gradient = backend.bce_with_logits(logits, target)
        else:
            ours, _, gradient = backend.loss_of_answers(logits, loss, (target,))
        assert_close(ours, value, 1e-14)
        assert_close(gradient, dlogits, 1e-14)


@pytest.mark.parametrize("size", [(4, 6), (3, 5)])
def test_resizing(size):
    x, large = drawn((2, 2, 3, 2), (2, *size, 2))
    check(lambda: loops.upsample(x, size), lambda dy: [loops.downsample(dy)], x)
    share = loops.upsample(1 / loops.downsample(np.ones((1, *size, 1))), size)
    check(lambda: loops.downsample(large, mean=True), lambda dy: [loops.upsample(dy, size) * share], large)


@pytest.mark.parametrize("transposed", [False, True], ids=["Conv2d", "ConvTranspose2d"])
def test_gradients_of_the_layers_are_those_of_the_loops(cell, transposed):
    x, weight, bias = drawn((2, 4, 5, 3), (4, 4, *((2, 3) if transposed else (3, 2))), 2)
    layer = (ConvTranspose2d if transposed else Conv2d)(3, 2, 4, stride=2, padding=1)
    layer.weight.data[...], layer.bias.data[...] = weight, bias
    layer.to(cell.device, "float64")
    y = layer.forward(cell.array(x))
    (dy,) = drawn(y.shape)
    backward = loops.conv_transpose2d_backward if transposed else loops.conv2d_backward
    expected = backward(dy, x, host(layer.weight.data), (2, 2), ((1, 1), (1, 1)))
    found = layer.backward(cell.array(dy)), layer.weight.grad, layer.bias.grad
    for actual, wanted in zip(found, expected, strict=True):
        assert_close(actual, wanted, 1e-12)


def test_two_numbers_to_four_by_hand():
    """A transposed convolution k4 s2 p1 in one dimension, the worked example of docs/lessons."""
    x, weight = np.array([2.0, 3]).reshape(1, 1, 2, 1), np.array([1.0, 2, 3, 4]).reshape(1, 4, 1, 1)
    geometry = (1, 2), ((0, 0), (1, 1))
    y = loops.conv_transpose2d(x, weight, 0, *geometry, (1, 4))
    assert y.ravel().tolist() == [4, 2 * 3 + 3 * 1, 2 * 4 + 3 * 2, 9]
    dy = np.array([1.0, 0, -1, 2]).reshape(y.shape)
    dx, dweight, dbias = loops.conv_transpose2d_backward(dy, x, weight, *geometry)
    assert dx.ravel().tolist() == [2 - 4, -2 + 2 * 3] and dbias.tolist() == [2]
    assert dweight.ravel().tolist() == [0, 2 * 1 - 3 * 1, 3 * 2, -1 * 2]


@pytest.mark.parametrize("page", ["adam", "conv"])
def test_examples_of_the_docstrings(page):
    found = doctest.testmod(importlib.import_module(f"gpunet.loops.{page}"))
    assert found.attempted and not found.failed
