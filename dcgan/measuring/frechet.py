"""The Frechet distance of two sets of features, each taken for a Gaussian (Heusel et al., 2017, section 2).

    d = |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1 C2)^(1/2))

m are the means, C the covariances. With the features of the Inception network it is the FID. Two equal sets have 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROWS = 4096  # rows that are turned into float64 at once


class Moments(NamedTuple):
    """The mean (F,) and the covariance (F, F) of features, in float64."""

    mean: np.ndarray
    covariance: np.ndarray


def moments(features: np.ndarray) -> Moments:
    """Return the moments of features (N, F); the covariance divides by N - 1. Raises ValueError for fewer than 2 rows.

    The rows are read in blocks and the mean is subtracted before anything is multiplied, so that a large mean costs no
    digits and the memory is that of one block and of (F, F).
    """
    count, width = features.shape
    if count < 2:
        raise ValueError(f"got {count} rows of features, expected at least 2: one row has no covariance")
    mean = features.mean(axis=0, dtype="float64")
    covariance = np.zeros((width, width))
    for start in range(0, count, ROWS):
        centred = features[start : start + ROWS] - mean  # (rows, F), float64
        covariance += centred.T @ centred
    return Moments(mean, covariance / (count - 1))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return d of the formula above, at least 0 but for rounding; NaN where a moment is not finite.

    tr((C1 C2)^(1/2)) is the sum of the square roots of the eigenvalues of C1 C2. These are also the eigenvalues of the
    symmetric matrix S C2 S with S = C1^(1/2), so two eigen decompositions of symmetric matrices suffice. Unlike the
    square root of C1 C2 itself, which is not symmetric, they are stable where the covariances are singular, as those of
    fewer rows than features are.
    """
    if not all(np.isfinite(values).all() for part in (first, second) for values in part):
        return float("nan")
    root = _root(first.covariance)
    product = root @ second.covariance @ root
    eigenvalues = np.linalg.eigvalsh((product + product.T) / 2)
    cross = np.sqrt(np.maximum(eigenvalues, 0)).sum()  # rounding makes zeros slightly negative
    difference = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(difference @ difference + traces - 2 * cross)


def _root(matrix: np.ndarray) -> np.ndarray:
    """Return the symmetric square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
