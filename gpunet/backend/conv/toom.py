"""The small matrices of Toom-Cook convolution (Winograd's minimal filtering): m outputs, r taps, m+r-1 products.

    y_i = sum over u of s_{i+u} w_u,  i < m,  u < r      computed as      y = A [ (G w) * (B s) ]

A product of two polynomials is determined by its values at m+r-1 points; G and (transposed) A evaluate at the points,
B interpolates. Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; Blahut, "Fast Algorithms for
Signal Processing", 2010, chapter 5. docs/convolution.md derives them. They are exact fractions until the last line.
"""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np

POINTS = [Fraction(p) for p in ("0", "1", "-1", "2", "-2", "1/2", "-1/2")]  # and infinity: small numbers, small errors


@functools.cache
def matrices(m: int, r: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A (m, t), G (t, r) and B (t, t) with t = m + r - 1, as float64."""
    t = m + r - 1
    points = POINTS[: t - 1]
    a = [[p**i for p in points] + [Fraction(i == m - 1)] for i in range(m)]
    g, b = [], []
    for j, point in enumerate(points):
        others = points[:j] + points[j + 1 :]
        norm = Fraction(1)
        for other in others:
            norm *= point - other
        sign = 1 if norm > 0 else -1  # B keeps its first entries positive, G the fraction
        g.append([point**u / abs(norm) for u in range(r)])
        b.append([sign * c for c in _from_roots(others)] + [Fraction(0)])
    g.append([Fraction(u == r - 1) for u in range(r)])
    b.append(_from_roots(points))
    return tuple(np.array(matrix, "float64") for matrix in (a, g, b))  # type: ignore[return-value]


def _from_roots(roots: list[Fraction]) -> list[Fraction]:
    """Return the coefficients, lowest power first, of the product of (x - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [high - root * low for high, low in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


@functools.cache
def rectangle(m: int, taps: tuple[int, int], dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two-dimensional A (m*m, t), G (t, taps) and B (t, t), t products: Kronecker products of both axes'."""
    axes = zip(matrices(m, taps[0]), matrices(m, taps[1]), strict=True)
    return tuple(np.kron(down, across).astype(dtype) for down, across in axes)  # type: ignore[return-value]
