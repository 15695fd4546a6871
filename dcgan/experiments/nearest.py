"""The nearest rows of a large set, found as its rows pass by in batches: the set itself is never held whole."""

from __future__ import annotations

import numpy as np

from dcgan.doctoring.data import distances


class Nearest:
    """The k nearest of the rows seen so far, for each of some rows x (N, F).

    indices (N, k) count the rows seen, -1: none yet; distances (N, k) are root mean squares, nearest first.
    """

    def __init__(self, x: np.ndarray, k: int, own: np.ndarray | None = None) -> None:
        """own (N,): the index that each row of x has itself among the rows to come, which is no neighbour of its."""
        self.x, self.k, self.own = x, k, own
        self.indices = np.full((len(x), k), -1)
        self.distances = np.full((len(x), k), np.inf)

    def see(self, indices: np.ndarray, rows: np.ndarray) -> None:
        """Take rows (M, F) with their indices (M,) into account."""
        found = distances(self.x, rows)  # (N, M)
        if self.own is not None:
            found[self.own[:, np.newaxis] == indices[np.newaxis]] = np.inf
        both = np.concatenate([self.distances, found], axis=1)
        numbers = np.concatenate([self.indices, np.broadcast_to(indices, found.shape)], axis=1)
        order = np.argsort(both, axis=1, kind="stable")[:, : self.k]
        self.distances = np.take_along_axis(both, order, axis=1)
        self.indices = np.where(np.isinf(self.distances), -1, np.take_along_axis(numbers, order, axis=1))
