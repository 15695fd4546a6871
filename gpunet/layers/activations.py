"""Activation layers: each saves its output, from which alone its derivative follows."""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer


class ReLU(Layer):
    """y = max(x, 0)."""

    slope = 0.0  # for negative x: with it BatchNorm can run this layer in its own pass

    def forward(self, x: Array) -> Array:
        y = backend.relu(x)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.relu_backward(dy, *self.take())


class LeakyReLU(Layer):
    """y = x where x > 0, else slope * x."""

    def __init__(self, slope: float = 0.2) -> None:
        super().__init__()
        if not 0 <= slope <= 1:
            raise ValueError(f"got slope={slope}, expected 0 <= slope <= 1: backward reads the sign of x from y")
        self.slope = slope

    def forward(self, x: Array) -> Array:
        y = backend.leaky_relu(x, self.slope)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.leaky_relu_backward(dy, *self.take(), self.slope)

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope})"


class Tanh(Layer):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        y = backend.tanh(x)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.tanh_backward(dy, *self.take())


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        y = backend.sigmoid(x)
        self.save(y)
        return y

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.sigmoid_backward(dy, *self.take())
