"""The rules of Sequential and of layers without parameters."""

from __future__ import annotations

from typing import Any

from gpunet import backend
from gpunet.backend.devices import Array, array_module
from gpunet.layers import (
    AveragePool,
    Flatten,
    GlobalAveragePool,
    GlobalSumPool,
    JoinLabels,
    Layer,
    LeakyReLU,
    PickLabel,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Upsample,
)
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


@rule(Residual)
class Sum(Tangent):
    """Residual: two paths from the same x, whose results are added. The branch may write into what it is given."""

    def __init__(self, layer: Residual, x: Array) -> None:
        self.branch = linearise(layer.branch, x)
        self.shortcut = linearise(layer.shortcut, x) if layer.shortcut else None
        self.y = backend.add(self.branch.y, self.shortcut.y if self.shortcut else x)

    def pull(self, dy: Array) -> Array:
        dx = self.branch.pull(dy.copy())
        return backend.add(dx, self.shortcut.pull(dy) if self.shortcut else dy)

    def push(self, t: Array) -> Array:
        ty = self.branch.push(t.copy())
        return backend.add(ty, self.shortcut.push(t) if self.shortcut else t)

    def backward(self, dty: Array, dy: Array | None, input_grad: bool = True) -> Pair:
        pair: Pair = dty, dy
        copies = dty.copy(), None if dy is None else dy.copy()
        of_branch = self.branch.backward(*copies, input_grad)
        of_shortcut = self.shortcut.backward(*pair, input_grad) if self.shortcut else pair
        return _sum(of_branch[0], of_shortcut[0]), _sum(of_branch[1], of_shortcut[1])


def _sum(a: Array | None, b: Array | None) -> Array | None:
    """Return a + b, where None stands for zeros."""
    return b if a is None else a if b is None else backend.add(a, b)


@rule(PickLabel, Flatten, Reshape, Upsample, AveragePool, GlobalAveragePool, GlobalSumPool)
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
