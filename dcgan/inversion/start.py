"""Where a search starts: of many random z those whose pictures are nearest to a target; and how far z may go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dcgan import sampling
from dcgan.config import Config
from dcgan.inversion.effort import Effort, Networks
from gpunet.backend.devices import Array, array_module

POOL = 512  # random z, of each class in turn or of each class that was asked for
PER_CLASS = 16  # random z of each class at least
BEYOND = 2.0  # how much longer than sqrt(z_dim) a normal z may be
RANGES = {"uniform": (-1.0, 1.0), "unsigned": (0.0, 1.0)}


class Starts(NamedTuple):
    """z (N, S, 1, 1, z_dim): S starts for each of N pictures; labels (N, S), or None where there are no classes."""

    z: np.ndarray
    labels: np.ndarray | None


def nearest(
    networks: Networks,
    effort: Effort,
    targets: np.ndarray,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Starts:
    """Return the starts for targets (N, H, W, C): of random pictures the nearest, by weights (N, H, W, 1) of pixels.

    labels (N,): the classes of the targets. Where they are None though the networks are told classes, every class gets
    as many starts: 8 starts and 3 classes are 2 of each class, 8 starts and 10 classes are 1 of each.
    """
    z, classes = _pool(networks.config, effort.seed, labels)
    pictures = sampling.sample(networks.G, z, classes, strict=True)
    apart = distances(pictures, targets, weights, sampling.lowest(networks.G))  # (N, P)
    every = [None] if classes is None else np.unique(classes)
    which = []
    for i, row in enumerate(apart):
        allowed = every if labels is None else [labels[i]]
        each = max(1, effort.starts // len(allowed))
        which.append(np.concatenate([_smallest(row, classes, number, each) for number in allowed]))
    chosen = np.stack(which)  # (N, S)
    return Starts(z[chosen], None if classes is None else classes[chosen])


def _pool(config: Config, seed: int, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Return random z (P, 1, 1, z_dim) and their classes (P,): the same z for each class that is asked for."""
    rng = np.random.default_rng(seed)
    if labels is None:
        z = sampling.draw_z(rng, max(POOL, PER_CLASS * (config.classes or 0)), config)
        return z, sampling.balanced_labels(len(z), config)
    wanted = np.unique(labels).astype("int32")
    return np.tile(sampling.draw_z(rng, POOL, config), (len(wanted), 1, 1, 1)), np.repeat(wanted, POOL)


def _smallest(row: np.ndarray, classes: np.ndarray | None, number: int | None, count: int) -> np.ndarray:
    """Return the places of the `count` smallest numbers of a row, of one class."""
    places = np.arange(len(row)) if classes is None else np.flatnonzero(classes == number)
    return places[np.argsort(row[places], kind="stable")[:count]]


def distances(pictures: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, low: float) -> np.ndarray:
    """Return sum of w (x - t)^2 for pictures x (P, H, W, C), uint8, and targets t (N, H, W, C), numbers: (N, P).

    The square is multiplied out, (x - t)^2 = x^2 - 2 x t + t^2, so that all sums are matrix products.
    """
    w = np.ones((1, *targets.shape[1:]), "float32") if weights is None else np.broadcast_to(weights, targets.shape)
    w, flat = w.reshape(len(w), -1), targets.reshape(len(targets), -1)  # (1 or N, H W C), (N, H W C)
    found = []
    for start in range(0, len(pictures), sampling.BATCH):
        x = pictures[start : start + sampling.BATCH].reshape(-1, flat.shape[1]) * np.float32((1 - low) / 255) + low
        found.append((x * x) @ w.T - 2 * x @ (w * flat).T)  # (P, N)
    return np.concatenate(found).T + (w * flat * flat).sum(axis=1, keepdims=True)


def bring_back(z: Array, z_dist: str) -> None:
    """Bring z (R, z_dim), in place, to where the z of its distribution are.

    uniform, unsigned: every number into [-1, 1] or [0, 1]. normal: z into the ball of radius sqrt(z_dim) + 2. The
    length of a random normal z is sqrt(z_dim) give or take 0.7, so 99.8 % of all random z lie in the ball.
    """
    xp = array_module(z)
    if z_dist in RANGES:
        xp.clip(z, *RANGES[z_dist], out=z)
        return
    length = xp.sqrt((z * z).sum(axis=1, keepdims=True))
    z *= xp.minimum(1, (z.shape[1] ** 0.5 + BEYOND) / xp.maximum(length, 1e-12)).astype(z.dtype)


def psnr(pictures: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return how near uint8 pictures (N, H, W, C) are to targets: (N,), in dB; 68 dB: they are equal.

    The peak signal-to-noise ratio is 10 log10(255^2 / the mean squared difference).
    """
    squares = ((pictures.astype("float64") - targets) ** 2).mean(axis=(1, 2, 3))
    return 10 * np.log10(255**2 / np.maximum(squares, 1e-2))
