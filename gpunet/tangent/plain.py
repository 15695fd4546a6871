"""The rules of Sequential and of layers without parameters."""

from __future__ import annotations

from typing import Any

from gpunet import backend
from gpunet.backend.devices import Array, array_module
from gpunet.layers import Flatten, JoinLabels, Layer, LeakyReLU, ReLU, Reshape, Sequential
from gpunet.tangent.base import Pair, Tangent, linearise, rule


@rule(Sequential)
class Chain(Tangent):
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


@rule(Flatten, Reshape)
class Fixed(Tangent):
    """A linear layer without parameters: its backward pass is J^T, and its forward pass is J."""

    def __init__(self, layer: Layer, x: Array) -> None:
        self.layer: Any = layer
        self.y = layer.forward(x)
        self.saved = layer.take()

    def pull(self, dy: Array) -> Array:
        self.layer.save(*self.saved)
        return self.layer.backward(dy)

    def push(self, t: Array) -> Array:
        ty = self.layer.forward(t)
        self.layer.forget()
        return ty

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        return self.pull(dty), None if dy is None else self.pull(dy)


@rule(ReLU, LeakyReLU)
class Masked(Fixed):
    """ReLU and LeakyReLU: J multiplies each number by 1 or by the slope, and so does its transpose."""

    def push(self, t: Array) -> Array:
        return self.pull(t)


@rule(JoinLabels)
class Labelled(Fixed):
    """JoinLabels: the labels' channels do not change with x, so J t has zeros there."""

    def push(self, t: Array) -> Array:
        no_label = array_module(t).full(len(t), -1, "int32")
        return backend.join_labels(t, no_label, self.layer.classes)
