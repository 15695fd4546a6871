"""JoinLabels and PickLabel: tell a network the class of every sample, where `Layer.given` has put it."""

from __future__ import annotations

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer


class _WithLabels(Layer):
    """A layer that reads the labels (N,), int32 on x's device, of the block `with net.given(labels)`.

    Joined batches (`joined_batches`) each have the same ones.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"got classes={classes}, expected at least 1")
        self.classes = classes

    def labels_of(self, x: Array) -> Array:
        """Return a label for each sample of x. Raises RuntimeError outside of a block, ValueError for too few."""
        if self.labels is None:
            raise RuntimeError(f"{self!r}: got no labels: run the network in a block `with net.given(labels)`")
        labels = self.labels if self.batches == 1 else backend.join(*[self.labels] * self.batches)
        if labels.shape != x.shape[:1]:
            raise ValueError(f"{self!r}: got labels of shape {labels.shape}, expected ({len(x)},), one per sample")
        return labels

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.classes})"


class JoinLabels(_WithLabels):
    """Appends one-hot labels: x (N, ..., C) -> y (N, ..., C + classes); on a map, a constant plane per class."""

    def forward(self, x: Array) -> Array:
        labels = self.labels_of(x)
        self.save(None)
        return backend.join_labels(x, labels, self.classes)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        self.take()
        return backend.join_labels_backward(dy, self.classes)


class PickLabel(_WithLabels):
    """Keeps the number of the sample's own class: x (N, classes) -> y (N, 1), y[n, 0] = x[n, labels[n]].

        dx[n, k] = dy[n, 0] where k = labels[n], else 0

    Behind a Linear without bias, whose weight (F, classes) has a column e_k for each class, y = <e_label, x>: the
    projection of the features onto the embedding of the label (Miyato & Koyama, "cGANs with projection discriminator",
    2018, equation 4).
    """

    def forward(self, x: Array) -> Array:
        labels = self.labels_of(x)
        if x.ndim != 2 or x.shape[1] != self.classes:
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected (N, {self.classes})")
        self.save(labels)
        return backend.pick_label(x, labels)

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        (labels,) = self.take()
        return backend.pick_label_backward(dy, labels, self.classes)
