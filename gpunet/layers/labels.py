"""JoinLabels: tells a network the class of every sample, where `Layer.given` has put it."""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer


class JoinLabels(Layer):
    """Appends one-hot labels: x (N, ..., C) -> y (N, ..., C + classes); on a map, a constant plane per class.

    The labels (N,), int32 on x's device, are those of the block `with net.given(labels)`. Joined batches
    (`joined_batches`) each have the same ones.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"got classes={classes}, expected at least 1")
        self.classes = classes

    def forward(self, x: Array) -> Array:
        if self.labels is None:
            raise RuntimeError(f"{self!r}: got no labels: run the network in a block `with net.given(labels)`")
        labels = self.labels if self.batches == 1 else backend.join(*[self.labels] * self.batches)
        if labels.shape != x.shape[:1]:
            raise ValueError(f"{self!r}: got labels of shape {labels.shape}, expected ({len(x)},), one per sample")
        self.save(None)
        return backend.join_labels(x, labels, self.classes)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        self.take()
        return backend.join_labels_backward(dy, self.classes)

    def __repr__(self) -> str:
        return f"JoinLabels({self.classes})"
