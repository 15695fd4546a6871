"""The table of layers that `python -m gpunet.gradcheck` goes through; a new layer is a new row."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gpunet import backend, layers
from gpunet.backend.devices import Array
from gpunet.gradcheck import check_layer, off_kinks
from gpunet.layers import Layer


class Case(NamedTuple):
    """A row of the table: a layer's name, how to make it, and the shape of its input."""

    name: str
    make: Callable[[], Layer]
    shape: tuple[int, ...]


class BceWithLogits(Layer):
    """The loss as a layer, so that the same check covers it; the targets lie between 0 and 1."""

    def forward(self, x: Array) -> Array:
        target = backend.to_device(np.linspace(0, 1, x.size).reshape(x.shape).astype(x.dtype), backend.device_of(x))
        loss, dlogits = backend.bce_with_logits(x, target)
        self.save(dlogits)
        return loss

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return self.take()[0] * dy


class Augmented(Layer):
    """DiffAugment of three pictures of 5x4 pixels as a layer: each is coloured, moved and cut in another way."""

    NUMBERS = ((0.3, 1.6, 0.7, 1, -1, 2, 0), (-0.4, 0.2, 1.4, 0, 2, -1, 1), (0.1, 1.1, 0.6, -2, 0, 3, 3))
    CUTOUT = (3, 2)

    def forward(self, x: Array) -> Array:
        numbers = backend.to_device(np.array(self.NUMBERS, x.dtype), backend.device_of(x))
        self.save(numbers)
        return backend.augment(x, numbers, self.CUTOUT)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return backend.augment_backward(dy, *self.take(), self.CUTOUT)


class Labelled(Layer):
    """A layer in a block `given(labels)`, so that the same checks cover it: labels 0, 1, 2, 0, 1 ... of the samples."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Array) -> Array:
        count = len(x) // self.batches  # joined batches have the same labels
        labels = backend.to_device((np.arange(count) % 3).astype("int32"), backend.device_of(x))
        with self.layer.given(labels):
            return self.layer.forward(x)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        return self.layer.backward(dy, input_grad)


def held(layer: layers.Conv2d | layers.Linear) -> layers.SpectralNorm:
    """Return a SpectralNorm whose u and v stay, so that the layer is one function; they are the same in every call."""
    layer.weight.data[...] = np.random.default_rng(0).standard_normal(layer.weight.data.shape)
    return layers.SpectralNorm(layer, iterations=0)


def residual() -> layers.Residual:
    """Return a block that halves the map and changes the channels, in both of its paths."""
    branch = layers.Sequential(
        layers.LeakyReLU(), layers.Conv2d(2, 3, 3, padding=1, bias=False), layers.BatchNorm(3), layers.AveragePool()
    )
    return layers.Residual(branch, layers.Sequential(layers.AveragePool(), layers.Conv2d(2, 3, 1, bias=False)))


def projection() -> layers.Sequential:
    """Return what a discriminator adds to its logit for three classes: <embedding of the class, sums of the maps>."""
    return layers.Sequential(layers.GlobalSumPool(), layers.Linear(5, 3, bias=False), layers.PickLabel(3))


CASES = [
    Case("Conv2d 4x4 /2 pad 1", lambda: layers.Conv2d(3, 4, 4, stride=2, padding=1), (2, 6, 8, 3)),
    Case("Conv2d 5x5 /2 same", lambda: layers.Conv2d(2, 3, 5, stride=2, padding="same"), (2, 6, 7, 2)),
    Case("Conv2d 3x2 /1 valid", lambda: layers.Conv2d(2, 3, (3, 2), padding="valid", bias=False), (1, 4, 5, 2)),
    Case("ConvTranspose2d 4x4 /2 pad 1", lambda: layers.ConvTranspose2d(4, 3, 4, stride=2, padding=1), (2, 3, 4, 4)),
    Case("ConvTranspose2d 4x4 /1", lambda: layers.ConvTranspose2d(5, 3, 4, bias=False), (2, 1, 1, 5)),
    Case(
        "ConvTranspose2d 5x5 /2 same",
        lambda: layers.ConvTranspose2d(3, 2, 5, stride=2, padding="same", output_size=(7, 6)),
        (2, 4, 3, 3),
    ),
    Case("Linear", lambda: layers.Linear(5, 4), (3, 5)),
    Case("BatchNorm spatial", lambda: layers.BatchNorm(3), (4, 3, 2, 3)),
    Case("BatchNorm dense", lambda: layers.BatchNorm(4, scale=False), (5, 4)),
    Case("BatchNorm + ReLU", lambda: layers.Sequential(layers.BatchNorm(3), layers.ReLU()), (3, 2, 3, 3)),
    Case("BatchNorm + LeakyReLU", lambda: layers.Sequential(layers.BatchNorm(3), layers.LeakyReLU()), (3, 2, 3, 3)),
    Case("LayerNorm spatial", lambda: layers.LayerNorm(3), (3, 3, 2, 3)),
    Case("LayerNorm dense", lambda: layers.LayerNorm(5, shift=False), (3, 5)),
    Case("InstanceNorm", lambda: layers.InstanceNorm(3), (3, 3, 2, 3)),
    Case("SpectralNorm, Conv2d", lambda: held(layers.Conv2d(3, 4, 4, 2, 1)), (2, 6, 4, 3)),
    Case("SpectralNorm, Linear", lambda: held(layers.Linear(5, 4)), (3, 5)),
    Case("Upsample", layers.Upsample, (2, 2, 3, 2)),
    Case("Upsample to odd sides", lambda: layers.Upsample((5, 3)), (2, 3, 2, 2)),
    Case("AveragePool", layers.AveragePool, (2, 4, 2, 3)),
    Case("AveragePool of odd sides", layers.AveragePool, (2, 5, 3, 2)),
    Case("GlobalAveragePool", layers.GlobalAveragePool, (2, 3, 2, 3)),
    Case("GlobalSumPool", layers.GlobalSumPool, (2, 5, 1, 3)),
    Case(
        "Residual",
        lambda: layers.Residual(layers.Sequential(layers.Conv2d(2, 2, 3, padding=1), layers.Tanh())),
        (2, 3, 2, 2),
    ),
    Case("Residual with a shortcut", residual, (2, 3, 4, 2)),
    Case("ReLU", layers.ReLU, (2, 3, 3, 2)),
    Case("LeakyReLU", layers.LeakyReLU, (2, 3, 3, 2)),
    Case("Tanh", layers.Tanh, (2, 3, 3, 2)),
    Case("Sigmoid", layers.Sigmoid, (2, 5)),
    Case("Flatten", layers.Flatten, (2, 3, 2, 2)),
    Case("Reshape", lambda: layers.Reshape((3, 2, 2)), (2, 12)),
    Case("JoinLabels dense", lambda: Labelled(layers.JoinLabels(3)), (4, 5)),
    Case("JoinLabels spatial", lambda: Labelled(layers.JoinLabels(3)), (4, 3, 2, 2)),
    Case("PickLabel", lambda: Labelled(layers.PickLabel(3)), (4, 3)),
    Case("Projection of labels", lambda: Labelled(projection()), (4, 2, 3, 5)),
    Case("bce_with_logits", BceWithLogits, (7, 1)),
    Case("DiffAugment", Augmented, (3, 5, 4, 3)),
]


def check_case(case: Case, device: str = "cpu", directions: int = 0) -> dict[str, float]:
    """Return `check_layer` of a row of the table on a device, with numbers drawn from a fixed seed."""
    rng = np.random.default_rng(0)
    layer = case.make().to(dtype="float64")
    for parameter in layer.parameters():  # away from 1 and 0, which would hide a forgotten factor or term
        parameter.data[...] = off_kinks(rng, parameter.data.shape)
    return check_layer(layer.to(device), backend.to_device(off_kinks(rng, case.shape), device), rng, directions)
