"""The tangent of a network: how its answers change along a direction, and what that says about its parameters.

A gradient penalty is a function of g, the gradient of D's answers by the pictures, so its own gradient needs the
derivative of a derivative. docs/gradient-penalty.md derives how it is computed without one (v = dpenalty/dg is a
constant here):

    g = J^T 1                       D's backward pass, which gives the pictures' gradient
    d<g, v> / dtheta                <g, v> = sum of J v, D's derivative along v: one tangent pass forward ...
                                    ... and one pass backward through it, which gives the parameters' gradients

J is the derivative of a layer's y by its x, at one x. Each kind of layer has its rule here, a `Tangent`:

    linear layers               J does not depend on x: the tangent is the layer itself without its bias
    ReLU, LeakyReLU             J is the mask of 1 and slope, which does not change with x, either
    LayerNorm, InstanceNorm     J depends on x: the pass backward goes to t and to x, and so to all layers before

Batch norm has no rule: with it a picture's answer depends on the other pictures, and g would mean something else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpunet import backend
from gpunet.backend import choices
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    JoinLabels,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
)
from gpunet.layers.base import Parameter
from gpunet.layers.conv import _Conv

Pair = tuple[Array | None, Array | None]  # gradients of a scalar by t and by x; None: it does not depend on that


class Tangent:
    """A layer at one x: its value `y` there, and what J does with vectors. `push` comes before `backward`.

    Arrays are handed over: a method may write into them, and does not write into an array that it returned.
    """

    y: Array

    def pull(self, dy: Array) -> Array:
        """Return J^T dy, as `Layer.backward` does, without any gradient of parameters."""
        raise NotImplementedError

    def push(self, t: Array) -> Array:
        """Return J t, the change of y along t, and remember t for `backward`."""
        raise NotImplementedError

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        """Return the gradients by t and x of a scalar whose gradients by J t and y are dty and dy.

        Adds to the parameters' gradients what the scalar's dependence on them says. With input_grad=False the results
        are not wanted, and may be None.
        """
        raise NotImplementedError


def penalise(
    net: Layer, x: Array, penalty: Callable[[Array], tuple[Array, Array]], scaled: Callable[[Array], Array]
) -> Array:
    """Add the gradient of a penalty on g to the gradients of a network's parameters; return the penalty, a 0-d array.

    g, of x's shape, is the gradient of the sum of net(x) by x: each sample's answer by that sample. penalty(g) returns
    the penalty and v, its derivative by g. scaled: what multiplies gradients for a product in fp16 (Adam.scaled).
    """
    with _wide_range(x):
        at_x = linearise(net, x)
        g = at_x.pull(array_module(x).ones_like(at_x.y))
        value, v = penalty(g)
        ty = at_x.push(scaled(v))
        at_x.backward(array_module(x).ones_like(ty), None, input_grad=False)
    return value


def _wide_range(x: Array) -> Any:
    """Return a block in which fp16 gives way to tf32: it has the same digits, and v, which is tiny, does not vanish."""
    narrow = choices.rounding(device_of(x), x.dtype) == "fp16"
    return choices.use_precision("tf32" if narrow else choices.precision(device_of(x)))


def linearise(layer: Layer, x: Array) -> Tangent:
    """Return the tangent of a layer at x. Raises ValueError, which names the layer, where it has no rule."""
    if type(layer) not in RULES:
        raise ValueError(f"{layer!r} has no tangent pass, which a gradient penalty needs")
    return RULES[type(layer)](layer, x)


def without_rule(net: Layer) -> list[Layer]:
    """Return the layers of a network that `linearise` refuses."""
    if type(net) not in RULES:
        return [net]
    return [found for _, child in net.children() for found in without_rule(child)]


class _Chain(Tangent):
    """Sequential: the layers one after another, each with its own work even where forward would run two in one."""

    def __init__(self, layer: Sequential, x: Array) -> None:
        self.parts: list[Tangent] = []
        for part in layer.layers:
            self.parts.append(linearise(part, x))
            x = self.parts[-1].y
        self.y = x

    def pull(self, dy: Array) -> Array:
        for part in reversed(self.parts):
            dy = part.pull(dy)
        return dy

    def push(self, t: Array) -> Array:
        for part in self.parts:
            t = part.push(t)
        return t

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        pair: Any = dty, dy
        for part in reversed(self.parts[1:]):
            pair = part.backward(*pair)
        return self.parts[0].backward(pair[0], pair[1], input_grad)


class _WithWeight(Tangent):
    """A linear layer with parameters: y = W x + b, J t = W t. A scalar's gradient by W is dty t^T + dy x^T."""

    weight: Parameter
    bias: Parameter | None
    x: Any  # in the form that `weight_grad` takes
    t: Any

    def weight_grad(self, x: Any, dy: Any, out: Array | None = None) -> Array:
        """Return the gradient of the weight; x and dy in the forms that this takes."""
        raise NotImplementedError

    def output_form(self, dy: Array) -> Any:
        """Return a gradient by y, or by J t, in the form that the other methods take."""
        return dy

    def input_grad(self, dy: Any) -> Array:
        """Return W^T dy."""
        raise NotImplementedError

    def pull(self, dy: Array) -> Array:
        return self.input_grad(self.output_form(dy))

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        if dy is not None and self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        dx = None if dy is None else self._backward(self.x, dy, input_grad)
        return self._backward(self.t, dty, input_grad), dx

    def _backward(self, x: Any, dy: Array, input_grad: bool) -> Array | None:
        form = self.output_form(dy)
        if self.weight.trainable:
            self.weight.add_grad(self.weight_grad, x, form)
        return self.input_grad(form) if input_grad else None


class _Convolution(_WithWeight):
    """Conv2d, whatever activation Sequential lets it run."""

    def __init__(self, layer: Conv2d, x: Array) -> None:
        self.weight, self.bias, self.conv = layer.weight, layer.bias, _convolution(layer, x)
        self.x = self.conv.input_form(x)
        self.y = self.conv.output(self.x, self.bias.data if self.bias else None)

    def push(self, t: Array) -> Array:
        self.t = self.conv.input_form(t)
        return self.conv.output(self.t)

    def output_form(self, dy: Array) -> Any:
        return self.conv.output_form(dy)

    def input_grad(self, dy: Any) -> Array:
        return self.conv.input_grad(dy)

    def weight_grad(self, x: Any, dy: Any, out: Array | None = None) -> Array:
        return self.conv.weight_grad(x, dy, out)


class _Transposed(_WithWeight):
    """ConvTranspose2d: x plays the part of the convolution's dy, and dy that of its x (gpunet.layers.conv)."""

    def __init__(self, layer: ConvTranspose2d, x: Array) -> None:
        self.weight, self.bias, self.conv = layer.weight, layer.bias, _convolution(layer, x)
        self.x = self.conv.output_form(x)
        self.y = self.conv.input_grad(self.x, self.bias.data if self.bias else None)

    def push(self, t: Array) -> Array:
        self.t = self.conv.output_form(t)
        return self.conv.input_grad(self.t)

    def output_form(self, dy: Array) -> Any:
        return self.conv.input_form(dy)

    def input_grad(self, dy: Any) -> Array:
        return self.conv.output(dy)

    def weight_grad(self, x: Any, dy: Any, out: Array | None = None) -> Array:
        return self.conv.weight_grad(dy, x, out)


def _convolution(layer: _Conv, x: Array) -> Any:
    """Return the convolution of a layer for an input x; a weight that is rounded in another precision is not used."""
    weight = layer.weight
    rounded = weight.rounded
    if rounded is not None and rounded.precision != choices.rounding(device_of(x), x.dtype):
        rounded = None
    return backend.convolution(weight.data, layer.sizes(x), rounded)


class _Dense(_WithWeight):
    """Linear."""

    def __init__(self, layer: Linear, x: Array) -> None:
        self.weight, self.bias, self.x = layer.weight, layer.bias, x
        self.y = backend.matmul(x, self.weight.data, bias=self.bias.data if self.bias else None)

    def push(self, t: Array) -> Array:
        self.t = t
        return backend.matmul(t, self.weight.data)

    def input_grad(self, dy: Any) -> Array:
        return backend.matmul(dy, self.weight.data.T)

    def weight_grad(self, x: Any, dy: Any, out: Array | None = None) -> Array:
        return backend.matmul(x.T, dy, out=out)


class _Fixed(Tangent):
    """A linear layer without parameters: its backward pass is J^T, and its forward pass is J."""

    def __init__(self, layer: Layer, x: Array) -> None:
        self.layer, self.y = layer, layer.forward(x)
        self.saved = layer.take()

    def pull(self, dy: Array) -> Array:
        self.layer.save(*self.saved)
        dx = self.layer.backward(dy)
        assert dx is not None
        return dx

    def push(self, t: Array) -> Array:
        ty = self.layer.forward(t)
        self.layer.forget()
        return ty

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        return self.pull(dty), None if dy is None else self.pull(dy)


class _Masked(_Fixed):
    """ReLU and LeakyReLU: J multiplies each number by 1 or by the slope, and so does its transpose."""

    def push(self, t: Array) -> Array:
        return self.pull(t)


class _Labelled(_Fixed):
    """JoinLabels: the labels' channels do not change with x, so J t has zeros there."""

    def push(self, t: Array) -> Array:
        no_label = array_module(t).full(len(t), -1, "int32")
        return backend.join_labels(t, no_label, self.layer.classes)  # type: ignore[attr-defined]


RULES: dict[type[Layer], Callable[[Any, Array], Tangent]] = {
    Sequential: _Chain,
    Conv2d: _Convolution,
    ConvTranspose2d: _Transposed,
    Linear: _Dense,
    ReLU: _Masked,
    LeakyReLU: _Masked,
    Flatten: _Fixed,
    Reshape: _Fixed,
    JoinLabels: _Labelled,
}
