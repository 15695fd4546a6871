"""Drawing z and turning it into pictures, the same picture for the same z whatever is drawn beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpunet import backend

if TYPE_CHECKING:  # not imported: config reads the presets, and they the layers
    from dcgan.config import Config
    from gpunet.layers import Layer

BATCH = 32  # one size for every forward pass: matrix products of another size may round differently


def draw_z(rng: np.random.Generator, count: int, config: Config) -> np.ndarray:
    """Return z (count, 1, 1, z_dim), float32; count draws begin with the same numbers as more draws."""
    shape = (count, 1, 1, config.z_dim)
    if config.z_dist == "normal":
        return rng.standard_normal(shape).astype("float32")
    return rng.uniform(-1.0 if config.z_dist == "uniform" else 0.0, 1.0, shape).astype("float32")


def sample(G: Layer, z: np.ndarray) -> np.ndarray:
    """Return G's pictures for z, uint8 (N, H, W, C) on the host, by the running statistics of batch norm.

    Each pass takes BATCH z, the last one filled up with zeros, so a picture depends on its z alone.
    """
    training, weights = G.training, G.parameters()[0].data
    padded = np.zeros((-(-len(z) // BATCH) * BATCH, *z.shape[1:]), weights.dtype)
    padded[: len(z)] = z
    G.eval()
    try:
        passes = [G.forward(backend.to_device(part, backend.device_of(weights))) for part in _batches(padded)]
        images = [backend.to_numpy(backend.real_to_images(x)) for x in passes]
    finally:
        G.train(training)
    return np.concatenate(images)[: len(z)]


def _batches(z: np.ndarray) -> list[np.ndarray]:
    return [z[start : start + BATCH] for start in range(0, len(z), BATCH)]
