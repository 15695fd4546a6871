"""The features of D: what its layers answer to a picture, as numbers that other programs can use.

    every map behind an activation, max-pooled to a grid of 4x4, all of them one after another
                                                            (Radford et al., 2016, section 5.1)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import LeakyReLU, ReLU, Sequential, SpectralNorm
from gpunet.layers.base import Layer

GRID = 4  # rows and columns of the maps as features


def pooled(D: Sequential, x: Array, grid: int = GRID) -> np.ndarray:
    """Return the features of pictures x (N, H, W, C), in the range of G's pictures: float32 (N, F) on the host.

    D answers in evaluation mode, so the features of a picture do not depend on the others. Maps smaller than the grid
    stay as they are.
    """
    training = D.training
    D.eval()
    try:
        parts = [pooled_map(backend.to_numpy(y), grid).reshape(len(y), -1) for y in maps(D, x)]
    finally:
        D.train(training)
    return np.concatenate(parts, axis=1)


def maps(D: Sequential, x: Array) -> Iterator[Array]:
    """Yield every map (N, H, W, C) behind an activation, in order."""
    for _, layer, y in D.answers(x):
        if is_active(layer) and y.ndim == 4:
            yield y


def is_active(layer: Layer) -> bool:
    """Return whether a layer is an activation, or runs one inside its own pass, in a spectral norm or not."""
    inner = layer.layer if isinstance(layer, SpectralNorm) else layer
    return isinstance(inner, LeakyReLU | ReLU) or getattr(inner, "slope", 1.0) != 1


def pooled_map(y: np.ndarray, grid: int) -> np.ndarray:
    """Return the largest number in each cell of a grid: y (N, H, W, C) -> (N, rows, columns, C).

    Cells are as equal as whole pixels allow: 14 rows in a grid of 4 begin at 0, 3, 7 and 10.
    """
    for axis in (1, 2):
        cells = min(grid, y.shape[axis])
        y = np.maximum.reduceat(y, np.arange(cells) * y.shape[axis] // cells, axis=axis)
    return y
