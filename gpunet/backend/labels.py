"""Labels beside the features, one number more per class; and the number of a sample's own class among those of all.

The kernels are in kernels/labels.cu.
"""

from __future__ import annotations

import math

from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import contiguous, empty, rows_of_blocks


@operation
def join_labels(x: Array, labels: Array, classes: int) -> Array:
    """Append the one-hot label of each sample to its features: x (N, ..., C), labels (N,) -> y (N, ..., C + classes).

        y[n, ..., :C] = x[n, ..., :],     y[n, ..., C + k] = 1 where k = labels[n], else 0

    labels: int32 from 0 to classes - 1. A map gets a constant plane per class (Mirza & Osindero, "Conditional
    generative adversarial nets", 2014, for vectors).
    """
    xp, channels = array_module(x), x.shape[-1]
    y = xp.empty((*x.shape[:-1], channels + classes), x.dtype)
    y[..., :channels] = x
    one_hot = labels[:, None] == xp.arange(classes, dtype=labels.dtype)  # (N, classes)
    y[..., channels:] = one_hot.reshape(len(labels), *[1] * (x.ndim - 2), classes)
    return y


@join_labels.kernel
def join_labels_kernel(x: Array, labels: Array, classes: int) -> Array:
    if labels.shape != x.shape[:1]:
        raise ValueError(f"join_labels: got labels of shape {labels.shape}, expected ({len(x)},), one per sample")
    *shape, channels = x.shape
    rows, wide = math.prod(shape), channels + classes
    y = empty(x, *shape, wide)
    if rows:
        args = (y, contiguous(x), labels, rows, channels, wide, rows // len(x))
        rows_of_blocks("labels.join_labels", args, rows, wide)
    return y


@operation
def join_labels_backward(dy: Array, classes: int) -> Array:
    """Return dx (N, ..., C), the part of dy (N, ..., C + classes) that belongs to the features."""
    return array_module(dy).ascontiguousarray(dy[..., : dy.shape[-1] - classes])


@join_labels_backward.kernel
def join_labels_backward_kernel(dy: Array, classes: int) -> Array:
    *shape, wide = dy.shape
    rows, channels = math.prod(shape), wide - classes
    dx = empty(dy, *shape, channels)
    if rows:
        rows_of_blocks("labels.join_labels_backward", (dx, contiguous(dy), rows, channels, wide), rows, channels)
    return dx


@operation
def pick_label(x: Array, labels: Array) -> Array:
    """Return the number of each sample's own class: x (N, classes), labels (N,), int32 -> y (N, 1).

        y[n, 0] = x[n, labels[n]]

    A label that is none of the classes gives 0. Example: x = [[5, 6], [7, 8]] and labels [1, 0] give [[6], [7]].
    """
    xp = array_module(x)
    return xp.where(_own_class(labels, x.shape[1]), x, 0).sum(axis=1, keepdims=True)


@pick_label.kernel
def pick_label_kernel(x: Array, labels: Array) -> Array:
    samples, classes = x.shape
    y = empty(x, samples, 1)
    if samples:
        rows_of_blocks("labels.pick_label", (y, contiguous(x), labels, samples, classes), samples, 1)
    return y


@operation
def pick_label_backward(dy: Array, labels: Array, classes: int) -> Array:
    """Return dx (N, classes): dy (N, 1) in the column of each sample's own class, 0 in the others."""
    return array_module(dy).where(_own_class(labels, classes), dy, dy.dtype.type(0))


@pick_label_backward.kernel
def pick_label_backward_kernel(dy: Array, labels: Array, classes: int) -> Array:
    samples = len(dy)
    dx = empty(dy, samples, classes)
    if samples:
        args = (dx, contiguous(dy), labels, samples, classes)
        rows_of_blocks("labels.pick_label_backward", args, samples, classes)
    return dx


def _own_class(labels: Array, classes: int) -> Array:
    """Return for every sample and class whether it is the sample's own: (N, classes), true and false."""
    return labels[:, None] == array_module(labels).arange(classes, dtype=labels.dtype)
