"""Launches of losses.cu: the loss and its gradient, then what is left to add up."""

from __future__ import annotations

from typing import Any

import kernels
from kernels.launches import ROWS_ON_CPU, arrivals, at_once, contiguous, empty, on_cuda, rows_per_thread
from kernels.sums import add_groups

LANES = 32  # as in losses.cu


def bce_with_logits(logits: Any, target: Any) -> tuple[Any, Any]:
    """Return the loss, a 0-d array, and dlogits of gpunet.backend.bce_with_logits."""
    number = isinstance(target, int | float)
    if not number and target.shape != logits.shape:
        raise ValueError(f"got target of shape {target.shape}, expected a number or shape {logits.shape} as the logits")
    if not logits.size:
        raise ValueError(f"bce_with_logits: got logits of shape {logits.shape}, expected at least one")
    logits, count = contiguous(logits), logits.size
    rows = -(-count // LANES)
    each = rows_per_thread(rows, 1, on_cuda(logits))
    loss, dlogits, sums = empty(logits), empty(logits, *logits.shape), empty(logits, -(-rows // each), LANES)
    targets = (None, target) if number else (contiguous(target.astype(logits.dtype, copy=False)), 0)
    args = (logits, *targets, count, rows, each)
    if at_once(logits):
        counters = arrivals(logits, LANES + 1)
        kernels.launch("losses.bce_with_logits_at_once", len(sums), LANES, (loss, dlogits, sums, counters, *args))
        return loss, dlogits
    args = (dlogits, sums, *args)
    kernels.launch("losses.bce_with_logits", len(sums), LANES, args, whole=count % (LANES * ROWS_ON_CPU) == 0)
    while len(sums) > 1:
        sums = add_groups(sums, rows_per_thread(len(sums), 1, on_cuda(sums)))
    kernels.launch("losses.mean_loss", 1, 1, (loss, sums, count))
    return loss, dlogits
