"""The kernel distance, KID: a squared maximum mean discrepancy (Binkowski et al., "Demystifying MMD GANs", 2018).

    k(x, y) = (x . y / F + 1)^3
    mmd2    = mean of k over pairs of different real rows + the same of made rows - 2 * mean of k over real and made

The mean over pairs of different rows makes the estimate unbiased: for two samples of one distribution it is 0 on
average, whatever their size, and may be negative.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLOCK = 1000  # rows of a block, as is usual


class KernelDistance(NamedTuple):
    """The mean of the blocks' estimates, its standard error (0 of a single block), and the number of blocks."""

    value: float
    error: float
    blocks: int


def kernel_distance(real: np.ndarray, made: np.ndarray, rng: np.random.Generator, block: int = BLOCK) -> KernelDistance:
    """Return the block estimate for features (N, F) and (M, F): the rows, shuffled, are cut into blocks of each side.

    No row is in two blocks, so the blocks are independent and their spread gives the standard error. Fewer rows than
    two blocks make one block. Raises ValueError for fewer than 2 rows.
    """
    count = min(len(real), len(made))
    size = min(block, count)
    blocks = count // max(size, 1)
    orders = [rng.permutation(len(side))[: blocks * size].reshape(blocks, size) for side in (real, made)]
    found = [squared_mmd(real[first], made[second]) for first, second in zip(*orders, strict=True)]
    error = float(np.std(found, ddof=1) / np.sqrt(blocks)) if blocks > 1 else 0.0
    return KernelDistance(float(np.mean(found)), error, blocks)


def squared_mmd(real: np.ndarray, made: np.ndarray) -> float:
    """Return mmd2 of the formula above for features (N, F) and (M, F), each of at least 2 rows."""
    if min(len(real), len(made)) < 2:
        raise ValueError(f"got {len(real)} and {len(made)} rows of features, expected at least 2: there are no pairs")
    real, made = real.astype("float64"), made.astype("float64")
    return _mean_of_pairs(real) + _mean_of_pairs(made) - 2 * float(_kernel(real, made).mean())


def _mean_of_pairs(rows: np.ndarray) -> float:
    """Return the mean of k over all pairs of two different rows."""
    values, count = _kernel(rows, rows), len(rows)
    return float((values.sum() - np.trace(values)) / (count * (count - 1)))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3
