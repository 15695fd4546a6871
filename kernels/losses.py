"""Launches of losses.cu: the loss and its gradient, then what is left to add up."""

from __future__ import annotations

from typing import Any

from gpunet import kernels
from gpunet.kernels.launches import ROWS_ON_CPU, arrivals, at_once, contiguous, empty, on_cuda, rows_per_thread
from gpunet.kernels.sums import add_groups

LANES = 32  # as in losses.cu


def bce_with_logits(logits: Any, target: Any) -> tuple[Any, Any]:
    """Return the loss, a 0-d array, and dlogits of gpunet.backend.bce_with_logits."""
    if isinstance(target, int | float):
        numbers, dlogits = _launch(logits, 1, (None, target, target))
    elif target.shape == logits.shape:
        numbers, dlogits = _launch(logits, 1, (contiguous(target.astype(logits.dtype, copy=False)), 0, 0))
    else:
        raise ValueError(f"got target of shape {target.shape}, expected a number or shape {logits.shape} as the logits")
    return numbers[:1].reshape(()), dlogits


def bce_of_halves(logits: Any, targets: tuple[float, float]) -> tuple[Any, Any, Any]:
    """Return the loss, the two means and dlogits of gpunet.backend.bce_of_halves."""
    numbers, dlogits = _launch(logits, 2, (None, *targets))
    return numbers[:1].reshape(()), numbers[1:], dlogits


def _launch(logits: Any, batches: int, targets: tuple[Any, float, float]) -> tuple[Any, Any]:
    """Return (loss, a mean probability per batch) as one array, and dlogits."""
    if not logits.size:
        raise ValueError(f"bce_with_logits: got logits of shape {logits.shape}, expected at least one")
    logits, count = contiguous(logits), logits.size // batches
    rows = -(-count // LANES)
    each = rows_per_thread(rows, 1, on_cuda(logits))
    numbers, dlogits = empty(logits, 1 + batches), empty(logits, *logits.shape)
    sums = empty(logits, -(-rows // each), batches * 2 * LANES)
    grid, args = (len(sums), batches), (logits, *targets, count, rows, each)
    if at_once(logits):
        counters = arrivals(logits, batches * LANES + 1)
        kernels.launch("losses.bce_with_logits_at_once", grid, LANES, (numbers, dlogits, sums, counters, *args))
        return numbers, dlogits
    whole = count % (LANES * ROWS_ON_CPU) == 0
    kernels.launch("losses.bce_with_logits", grid, LANES, (dlogits, sums, *args), whole=whole)
    while len(sums) > 1:
        sums = add_groups(sums, rows_per_thread(len(sums), 1, on_cuda(sums)))
    kernels.launch("losses.mean_loss", 1, 1, (numbers, sums, batches, count))
    return numbers, dlogits
