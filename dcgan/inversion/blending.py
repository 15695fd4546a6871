"""Blending: what G drew goes into the hole of a picture without a seam.

    f = drawn + c in the hole,    c = picture - drawn just outside it,    c as smooth as it can be inside

So the details are G's, and brightness and colour drift over to those of the picture. "As smooth as it can be" means
that each c is the mean of its up to four neighbours (Laplace's equation); with f this is Poisson's equation, whose
right side is the Laplacian of the drawn picture (Perez et al., "Poisson image editing", 2003). One c for each missing
pixel, and one linear equation:

    (number of neighbours) c - sum of c over the neighbours in the hole = sum of (picture - drawn) over the others

The conjugate gradient method solves them (Hestenes & Stiefel, 1952).
"""

from __future__ import annotations

import numpy as np

ENOUGH = 1e-3  # size of what is left of the equations, relative to their right sides


def blended(picture: np.ndarray, drawn: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the picture with its missing pixels (H, W) filled by the drawn one; all uint8 (H, W, C)."""
    inside = missing[..., np.newaxis].astype("float64")
    apart = (picture.astype("float64") - drawn) * (1 - inside)
    neighbours = around(np.ones_like(inside))  # 4, at the rim of the picture 3 or 2

    def equations(c: np.ndarray) -> np.ndarray:
        return inside * (neighbours * c - around(c))

    c = conjugate_gradient(equations, inside * around(apart))
    filled = np.clip(np.rint(drawn + c), 0, 255).astype("uint8")
    return np.where(missing[..., np.newaxis], filled, picture)


def around(values: np.ndarray) -> np.ndarray:
    """Return the sum of the up to four neighbours of each pixel, (H, W, C)."""
    total = np.zeros_like(values)
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    total[:, 1:] += values[:, :-1]
    total[:, :-1] += values[:, 1:]
    return total


def conjugate_gradient(equations, right: np.ndarray) -> np.ndarray:
    """Return c with equations(c) = right, for equations that are symmetric and positive, up to ENOUGH."""
    c, rest = np.zeros_like(right), right.copy()  # rest = right - equations(c)
    direction, square = rest, float((rest * rest).sum())
    enough = ENOUGH**2 * square
    while square > enough:
        turned = equations(direction)
        length = square / float((direction * turned).sum())
        c += length * direction
        rest = rest - length * turned
        before, square = square, float((rest * rest).sum())
        direction = rest + square / before * direction
    return c
