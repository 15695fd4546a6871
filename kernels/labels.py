"""Launches of labels.cu: one-hot classes as further channels, and the way back."""

from __future__ import annotations

import math
from typing import Any

from gpunet.kernels.launches import contiguous, empty, rows_of_blocks


def join_labels(x: Any, labels: Any, classes: int) -> Any:
    """Return y (N, ..., C + classes) of gpunet.backend.join_labels."""
    if labels.shape != x.shape[:1]:
        raise ValueError(f"join_labels: got labels of shape {labels.shape}, expected ({len(x)},), one per sample")
    *shape, channels = x.shape
    rows, wide = math.prod(shape), channels + classes
    y = empty(x, *shape, wide)
    if rows:
        args = (y, contiguous(x), labels, rows, channels, wide, rows // len(x))
        rows_of_blocks("labels.join_labels", args, rows, wide)
    return y


def join_labels_backward(dy: Any, classes: int) -> Any:
    """Return dx (N, ..., C) of gpunet.backend.join_labels_backward."""
    *shape, wide = dy.shape
    rows, channels = math.prod(shape), wide - classes
    dx = empty(dy, *shape, channels)
    if rows:
        rows_of_blocks("labels.join_labels_backward", (dx, contiguous(dy), rows, channels, wide), rows, channels)
    return dx
