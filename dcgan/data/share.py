"""Share: which pictures of a step's batch a rank computes, where several ranks train together (gpunet.distributed).

A step takes one batch from the data, or with --accumulate A of them, one behind another. Every rank has an equal part
of each. Example: 2 batches of 8 pictures on 4 ranks; rank 1 has the places marked by #:

    place    0 1 2 3 4 5 6 7   8 9 ...
             . . # # . . . .   . . # # . . . .

Random numbers are drawn for the whole step by every rank, which then keeps its share of them. So R ranks train on the
pictures and the numbers of one process.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dcgan.errors import UserError


class Share(NamedTuple):
    """What rank `rank` of `size` has of a step of `batches` batches."""

    rank: int = 0
    size: int = 1
    batches: int = 1

    def of(self, whole: np.ndarray, axis: int = 0) -> np.ndarray:
        """Return this rank's part of numbers for all pictures of a step, which lie along an axis."""
        if self.size == 1:
            return whole
        before, count, behind = whole.shape[:axis], whole.shape[axis], whole.shape[axis + 1 :]
        each = count // (self.batches * self.size)
        cut = whole.reshape(*before, self.batches, self.size, each, *behind)
        mine = np.take(cut, self.rank, axis=axis + 1)  # (..., batches, each, ...)
        return np.ascontiguousarray(mine.reshape(*before, self.batches * each, *behind))

    def order(self, order: np.ndarray, step: int) -> np.ndarray:
        """Return this rank's part of the order of an epoch in steps of `step` pictures, without what is left behind."""
        steps = len(order) // step
        return self.of(order[: steps * step].reshape(steps, step), axis=1).ravel()


WHOLE = Share()


def require_equal(batch_size: int, size: int) -> None:
    """Raise UserError where a batch cannot be shared out equally among so many ranks."""
    if batch_size % size:
        below, above = batch_size // size * size, -(-batch_size // size) * size
        near = f"{below} or {above}" if below else f"{above}"
        raise UserError(
            f"--batch-size: got {batch_size}, expected a multiple of {size}, the number of ranks, such as {near}"
        )
