"""Batch norm's sums over all ranks of a data-parallel training (gpunet/distributed): one message per layer and pass.

R ranks of n rows each are then one batch of R n rows. A rank adds up its own rows as batchnorm.py says. Then

    forward    it sends mean_r and m2_r, the sum of its (x - mean_r)^2, and gets those of all ranks:
                   mean = (1/R) sum mean_r,   m2 = sum m2_r + n sum (mean_r - mean)^2,   var = m2 / (R n)
    backward   it sends its sum dz and sum dz x_hat, and gets their sums over all ranks, which dx takes

The forward pass does not send sum x^2, because E[x^2] - mean^2 would cancel digits. docs/batchnorm.md derives both, and
says why dscale and dshift stay the rank's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpunet.backend.devices import Array, array_module
from gpunet.backend.launches import per_channel

if TYPE_CHECKING:
    from gpunet.distributed.base import Ranks


def moments_of_all(mean: Array, var: Array, rows: int, ranks: Ranks) -> tuple[Array, Array]:
    """Return mean and m2 of every rank, (batches, R, C) each, given this rank's mean and var, (C,) or (batches, C).

    rows: those of a batch on this rank; every rank has as many.
    A rank writes into its own places and leaves zeros in the others. So the sum over ranks gathers all, and exactly.
    """
    xp, channels = array_module(mean), mean.shape[-1]
    found = xp.zeros((2, mean.size // channels, ranks.size, channels), mean.dtype)
    found[0, :, ranks.rank] = mean
    found[1, :, ranks.rank] = var * mean.dtype.type(rows)
    ranks.sum(found)
    return found[0], found[1]


def mean_over(sums: Array, ranks: Ranks) -> None:
    """Put in the place of a rank's sums of the backward pass their mean over ranks.

    dx divides them by the rows of one rank: the mean over R ranks, divided by n, is the sum over all rows by R n.
    """
    ranks.sum(sums)
    sums /= sums.dtype.type(ranks.size)


# ---- reference: array code ------------------------------------------------------------------------------------------


def combined(mean: Array, var: Array, rows: int, ranks: Ranks) -> tuple[Array, Array]:
    """Return mean and biased var (batches, C) of all ranks, given this rank's.

    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
    """
    means, m2s = moments_of_all(mean, var, rows, ranks)  # (batches, R, C)
    mean = means.sum(axis=1) / ranks.size
    apart = means - mean[:, None]
    return mean, (m2s.sum(axis=1) + rows * (apart * apart).sum(axis=1)) / (rows * ranks.size)


# ---- kernels/batchnorm.cu -------------------------------------------------------------------------------------------


def statistics(results: tuple, shape: tuple[int, int], eps: float, momentum: float, ranks: Ranks) -> None:
    """Put mean, var and rstd of all ranks in the place of this rank's, and move the running averages.

    results: mean, var, rstd, running mean and variance; shape: (batches, rows). Each rank is a group of rows for the
    kernel `finish`.
    """
    (batches, rows), channels = shape, results[0].shape[-1]
    means, m2s = moments_of_all(results[0], results[1], rows, ranks)
    args = (*results, means, m2s, batches, ranks.size, 1, channels, rows, rows * ranks.size, eps, momentum)
    per_channel("batchnorm.finish", args, channels)
