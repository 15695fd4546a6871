"""The layer protocol: forward, backward, the guarded slot between them, and the modes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from gpunet.backend.arrays import Array
from gpunet.layers.tree import Parameter, Tree

__all__ = ["Layer", "Parameter"]


class Layer(Tree):
    """Base of all layers: `forward(x) -> y`, `backward(dy) -> dx`; parameters and children as in `Tree`."""

    def __init__(self) -> None:
        super().__init__()
        self.training = True
        self.batches = 1  # how many batches x holds, one after another: see joined_batches
        self.labels: Array | None = None  # (N,) classes of the samples: see given

    def forward(self, x: Array) -> Array:
        """Return y; in training mode also save what `backward` will need."""
        raise NotImplementedError

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        """Return dx, adding to the parameters' gradients; dy is handed over and may be overwritten.

        With input_grad=False, dx is not computed where that saves work (the first layer of a network), and None
        returned.
        """
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    def save(self, *values: Any) -> None:
        """Keep values for the backward pass; in evaluation mode keep nothing. Raise where two forwards meet."""
        if not self.training:
            return
        if self._saved is not None:
            raise RuntimeError(
                f"{self!r}: got a second training forward before backward; "
                "call backward after each forward, or net.eval() for a pass without one, or net.forget()"
            )
        self._saved = values

    def take(self) -> tuple:
        """Return what forward saved, and empty the slot."""
        if self._saved is None:
            raise RuntimeError(f"{self!r}: got backward without a training forward before it; call forward first")
        saved, self._saved = self._saved, None
        return saved

    def forget(self) -> None:
        """Drop what forward saved, here and in all children: for a forward pass that gets no backward."""
        for layer in self.walk():
            layer._saved = None

    def train(self, mode: bool = True) -> Layer:
        """Switch to training: batch statistics, and forward saves for backward. Return self."""
        for layer in self.walk():
            layer.training = mode
        return self

    def eval(self) -> Layer:
        """Switch to evaluation: running statistics, nothing saved. Return self."""
        return self.train(False)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Layer]:
        """Within the block compute no gradients of the parameters; dx still flows through."""
        before = [(parameter, parameter.trainable) for parameter in self.parameters()]
        try:
            for parameter, _ in before:
                parameter.trainable = False
            yield self
        finally:
            for parameter, trainable in before:
                parameter.trainable = trainable

    @contextlib.contextmanager
    def joined_batches(self, count: int) -> Iterator[Layer]:
        """Within the block every input is `count` batches of equal size, joined one after another along the first axis.

        Batch norm then normalises each by its own statistics, and moves its averages once for each, in order: the
        numbers are those of separate passes, but the matrix products are larger and the weights are read once.
        """
        try:
            for layer in self.walk():
                layer.batches = count
            yield self
        finally:
            for layer in self.walk():
                layer.batches = 1

    @contextlib.contextmanager
    def given(self, labels: Array | None) -> Iterator[Layer]:
        """Within the block the samples of every batch have these labels (N,), int32; JoinLabels layers read them."""
        try:
            for layer in self.walk():
                layer.labels = labels
            yield self
        finally:
            for layer in self.walk():
                layer.labels = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
