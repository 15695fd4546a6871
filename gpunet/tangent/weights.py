"""The rules of layers with weights, which are linear but for their biases."""

from __future__ import annotations

from typing import Any

from gpunet import backend
from gpunet.backend import choices
from gpunet.backend.devices import Array, device_of
from gpunet.layers import Conv2d, ConvTranspose2d, Linear, SpectralNorm
from gpunet.layers.conv import _Conv
from gpunet.layers.parameter import Parameter
from gpunet.tangent.base import Pair, Tangent, linearise, rule


class WithWeight(Tangent):
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
            self.weight.add_grad_beside(self.weight_grad, x, form)
        return self.input_grad(form) if input_grad else None


@rule(Conv2d)
class Convolution(WithWeight):
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


@rule(ConvTranspose2d)
class Transposed(WithWeight):
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


@rule(Linear)
class Dense(WithWeight):
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


@rule(SpectralNorm)
class Spectral(Tangent):
    """SpectralNorm: the rule of its layer with weight / sigma; u and v stay where the newest forward pass left them."""

    def __init__(self, layer: SpectralNorm, x: Array) -> None:
        self.weight, self.uv = layer.layer.weight, (layer.buffers["u"], layer.buffers["v"])
        divided, self.sigma = backend.spectral_norm(self.weight.data, *self.uv, layer.eps, 0)
        self.divided = Parameter(divided, self.weight.trainable)
        with layer._in_place(self.divided):
            self.inner = linearise(layer.layer, x)
        self.y = self.inner.y

    def pull(self, dy: Array) -> Array:
        return self.inner.pull(dy)

    def push(self, t: Array) -> Array:
        return self.inner.push(t)

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        pair = self.inner.backward(dty, dy, input_grad)
        if self.weight.trainable:
            given = self.divided.grad, self.divided.data, *self.uv, self.sigma
            self.weight.add_grad(backend.spectral_norm_backward, *given)
        return pair
