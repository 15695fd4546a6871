"""Labels beside the features: one number more per class, 1 for the sample's own class and 0 for the others."""

from __future__ import annotations

import gpunet.kernels.labels
from gpunet.backend.arrays import Array, array_module, operation


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
def _(x: Array, labels: Array, classes: int) -> Array:
    return gpunet.kernels.labels.join_labels(x, labels, classes)


@operation
def join_labels_backward(dy: Array, classes: int) -> Array:
    """Return dx (N, ..., C), the part of dy (N, ..., C + classes) that belongs to the features."""
    return array_module(dy).ascontiguousarray(dy[..., : dy.shape[-1] - classes])


@join_labels_backward.kernel
def _(dy: Array, classes: int) -> Array:
    return gpunet.kernels.labels.join_labels_backward(dy, classes)
