"""Draws z and turns it into pictures: the same z is the same picture, whatever is drawn beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcgan.errors import UserError
from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import BatchNorm, Sequential, Sigmoid

if TYPE_CHECKING:
    from dcgan.config import Config

BATCH = 128  # one size for every forward pass: matrix products of another size may round differently


def draw_z(rng: np.random.Generator, count: int, config: Config) -> np.ndarray:
    """Return z (count, 1, 1, z_dim), float32; count draws begin with the same numbers as more draws."""
    shape = (count, 1, 1, config.z_dim)
    if config.z_dist == "normal":
        return rng.standard_normal(shape).astype("float32")
    return rng.uniform(-1.0 if config.z_dist == "uniform" else 0.0, 1.0, shape).astype("float32")


def lowest(G: Sequential) -> float:
    """Return the lowest number in G's pictures: 0 if it ends with a sigmoid, -1 if with tanh. The highest is 1."""
    return 0.0 if isinstance(G[-1], Sigmoid) else -1.0


def balanced_labels(count: int, config: Config, first: int = 0) -> np.ndarray | None:
    """Return labels (count,), int32, of pictures `first`, first + 1, ...: classes 0, 1, 2, ... in turn, over and over.

    Returns None for networks that are told no labels.
    """
    return None if config.classes is None else np.arange(first, first + count, dtype="int32") % config.classes


def whole_batches(count: int) -> int:
    """Return count rounded up to whole batches: 130 is 256.

    Where batch norm samples by the statistics of the batch, so many z have to be drawn.
    """
    return -(-count // BATCH) * BATCH


def sample(G: Sequential, z: np.ndarray, labels: np.ndarray | None = None, strict: bool = False) -> np.ndarray:
    """Return G's pictures for z, uint8 (N, H, W, C) on the host; labels (N,), int32, for networks that are told them.

    Each pass takes BATCH z, the last one filled up with the first z again. Batch norm uses its running averages, so a
    picture depends on its z alone, unless the network was built to sample by the statistics of the batch.
    strict: raise UserError where a number is NaN. Training does without: its log tells.
    """
    training, wanted, count = G.training, len(z), whole_batches(len(z))
    z = np.resize(z, (count, *z.shape[1:]))
    labels = None if labels is None else np.resize(labels, count)
    G.eval()
    try:
        images = [_pass(G, z[cut], None if labels is None else labels[cut], strict) for cut in _cuts(count)]
    finally:
        G.train(training)
    return np.concatenate(images)[:wanted]


def judge(
    D: Sequential, images: np.ndarray, low: float, labels: np.ndarray | None = None, probabilities: bool = True
) -> np.ndarray:
    """Return D(x), (N,), for uint8 pictures (N, H, W, C) that become numbers from `low` to 1.

    probabilities: whether D's loss takes its answers for logits; otherwise they are returned as they are.

    Batch norm uses the statistics of these pictures, as in training; D is the same afterwards, its averages included.
    """
    device, training = backend.device_of(D.parameters()[0].data), D.training
    norms = [(layer, layer.batch_statistics) for layer in D.walk() if isinstance(layer, BatchNorm)]
    D.eval()
    try:
        for layer, _ in norms:
            layer.batch_statistics = True
        with D.given(None if labels is None else backend.to_device(labels, device)):
            logits = D.forward(backend.images_to_real(backend.to_device(images, device), low=low))
    finally:
        D.train(training)
        for layer, before in norms:
            layer.batch_statistics = before
    return backend.to_numpy(backend.sigmoid(logits) if probabilities else logits).ravel()


def require_numbers(x: Array) -> None:
    """Raise UserError where a number of G's pictures is NaN."""
    if bool(backend.array_module(x).isnan(x).any()):
        raise UserError("the generator draws numbers that are NaN: its weights are damaged, take an earlier checkpoint")


def _pass(G: Sequential, z: np.ndarray, labels: np.ndarray | None, strict: bool) -> np.ndarray:
    weights = G.parameters()[0].data
    device = backend.device_of(weights)
    with G.given(None if labels is None else backend.to_device(labels, device)):
        x = G.forward(backend.to_device(z.astype(weights.dtype, copy=False), device))
    if strict:
        require_numbers(x)
    return backend.to_numpy(backend.real_to_images(x, lowest(G)))


def _cuts(count: int) -> list[slice]:
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]
