"""Precision, recall, density and coverage: what balls round the features say of quality and variety.

Round every row lies a ball that reaches to its k-th nearest row of the same set. The balls together are where the set
lives.

    precision   share of made rows in a ball of a real row: do single pictures look real?
    recall      share of real rows in a ball of a made row: are all kinds of pictures made?
    density     balls of real rows round a made row, on average, divided by k: as precision, but an outlier among the
                real rows, whose ball is large, counts once only; 1 on average where both sets are alike, may be larger
    coverage    share of real rows whose ball holds a made row

Precision and recall are those of Kynkaanniemi et al. ("Improved precision and recall metric for assessing generative
models", 2019, k = 3), density and coverage those of Naeem et al. ("Reliable fidelity and diversity metrics for
generative models", 2020, k = 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

NEAREST_OF_RECALL, NEAREST_OF_COVERAGE = 3, 5  # k of the two papers
TILE = 2048  # rows on either side whose distances are held at once: 32 MiB


class Neighbours(NamedTuple):
    """The four numbers."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(
    real: np.ndarray, made: np.ndarray, k: int = NEAREST_OF_RECALL, k_coverage: int = NEAREST_OF_COVERAGE
) -> Neighbours:
    """Return the four numbers of features (N, F) and (M, F). Raises ValueError where a set has no k-th neighbour."""
    least = max(k, k_coverage) + 1
    if min(len(real), len(made)) < least:
        raise ValueError(f"got {len(real)} and {len(made)} rows of features, expected at least {least}: k neighbours")
    of_real, of_real_coverage = radii(real, (k, k_coverage))
    (of_made,) = radii(made, (k,))
    inside = np.zeros(len(made), bool)  # made rows in a ball of a real row
    reached, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    balls = 0
    for rows, columns, distances in _tiles(real, made):
        inside[columns] |= (distances <= of_real[rows, None]).any(axis=0)
        reached[rows] |= (distances <= of_made[None, columns]).any(axis=1)
        hits = distances <= of_real_coverage[rows, None]
        balls += int(hits.sum())
        covered[rows] |= hits.any(axis=1)
    density = balls / (k_coverage * len(made))
    return Neighbours(float(inside.mean()), float(reached.mean()), density, float(covered.mean()))


def radii(rows: np.ndarray, nearest: tuple[int, ...]) -> list[np.ndarray]:
    """Return for each k the squared distance of every row to its k-th nearest other row, (N,) in float64."""
    most = max(nearest)
    best = np.full((len(rows), most), np.inf)
    for down, across, distances in _tiles(rows, rows):
        own = np.arange(len(rows))[down, None] == np.arange(len(rows))[None, across]
        distances[own] = np.inf  # a row is no neighbour of its own
        both = np.concatenate([best[down], distances], axis=1)
        best[down] = np.partition(both, most - 1, axis=1)[:, :most]
    best.sort(axis=1)
    return [best[:, k - 1] for k in nearest]


def _tiles(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield (rows, columns, squared distances between them) tile by tile, in float64.

    |x - y|^2 = |x|^2 - 2 x.y + |y|^2, so a matrix product does nearly all the work; rounding may make it negative.
    """
    for down in _cuts(len(x)):
        a = x[down].astype("float64")
        squares = np.square(a).sum(axis=1)[:, None]
        for across in _cuts(len(y)):
            b = y[across].astype("float64")
            distances = a @ b.T
            distances *= -2
            distances += squares
            distances += np.square(b).sum(axis=1)
            yield down, across, np.maximum(distances, 0, out=distances)


def _cuts(count: int) -> list[slice]:
    return [slice(start, start + TILE) for start in range(0, count, TILE)]
