"""The one step that all four programs of docs/compare.md compute: small networks, their first weights, and a batch.

    z (N, 8) -> G -> pictures (N, 16, 16, 3) -> D -> logits (N,)

    G   transposed convolution 1x1 -> 4x4, batch norm, ReLU; then twice k4 s2 p1, which doubles; tanh at the end
    D   twice k4 s2 p1, which halves, with leaky ReLU, batch norm in the second; a convolution 4x4 -> 1x1

Weights are numbered by the layer, as a Sequential numbers its layers. Their shapes are those of this project:
convolutions (KH, KW, C_in, C_out), transposed ones (KH, KW, C_out, C_in).
"""

from __future__ import annotations

import numpy as np

LR, BETAS, EPS = 2e-4, (0.5, 0.999), 1e-8  # of Adam
SLOPE, NORM_EPS = 0.2, 1e-5  # of leaky ReLU and batch norm
N = 4
SHAPES = {
    "G": {
        "0.weight": (4, 4, 8, 8), "1.scale": (8,), "1.shift": (8,),
        "3.weight": (4, 4, 4, 8), "4.scale": (4,), "4.shift": (4,),
        "6.weight": (4, 4, 3, 4),
    },
    "D": {
        "0.weight": (4, 4, 3, 4),
        "2.weight": (4, 4, 4, 8), "3.scale": (8,), "3.shift": (8,),
        "5.weight": (4, 4, 8, 1),
    },
}  # fmt: skip
Weights = dict[str, dict[str, np.ndarray]]  # network -> name -> numbers


def weights(seed: int = 0) -> Weights:
    """Return first weights, float64: those of the paper, but larger, so that a small network has something to say."""
    rng = np.random.default_rng(seed)
    return {net: {name: _first(rng, name, shape) for name, shape in of.items()} for net, of in SHAPES.items()}


def _first(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    return 0.2 * rng.standard_normal(shape) + (1 if name.endswith("scale") else 0)


def batch(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (N, 16, 16, 3) in -1 to 1, and z (N, 8)."""
    rng = np.random.default_rng(seed)
    return np.tanh(rng.standard_normal((N, 16, 16, 3))), rng.standard_normal((N, 8))
