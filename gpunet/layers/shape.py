"""Flatten and Reshape: views of the same numbers in another shape."""

from __future__ import annotations

import math

from gpunet.backend.devices import Array
from gpunet.layers.base import Layer


class Reshape(Layer):
    """x (N, ...) -> y (N, *shape), the same numbers in the same order (channels last)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Array) -> Array:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected {math.prod(self.shape)} numbers per sample")
        self.save(x.shape)
        return x.reshape(x.shape[0], *self.shape)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return dy.reshape(self.take()[0])

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"


class Flatten(Layer):
    """x (N, ...) -> y (N, F)."""

    def forward(self, x: Array) -> Array:
        self.save(x.shape)
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return dy.reshape(self.take()[0])
