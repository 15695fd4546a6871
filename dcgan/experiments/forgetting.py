"""Which filters of G draw a thing, and G without them (Radford et al., 2016, section 6.3.1).

A logistic regression learns to tell places on a feature map of G that lie in boxes drawn round the thing from other
places of the same pictures. Filters with a positive weight speak for the thing; G draws without them when their maps
are set to 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcgan.discriminator_features import is_active
from dcgan.errors import UserError
from dcgan.experiments.boxes import Box
from gpunet import backend
from gpunet.backend import use_precision
from gpunet.backend.devices import Array
from gpunet.layers import Sequential

RIDGE = 1.0  # weight of |w|^2 / 2 beside the sum of the losses, as scikit-learn's C = 1
NEWTON = 30  # steps: the regression is solved after about ten


def map_names(G: Sequential, x: Array) -> list[str]:
    """Return the names of G's layers that give a feature map behind an activation, the one next to the picture first.

    Raises UserError where there is none that can be changed: inside residual blocks.
    """
    with use_precision("fp32"):
        found = [name for name, layer, y in G.answers(x) if "." not in name and is_active(layer) and y.ndim == 4]
    if not found:
        raise UserError("the generator has no feature map behind an activation outside of residual blocks")
    return found[::-1]


def feature_map(G: Sequential, x: Array, name: str) -> np.ndarray:
    """Return the feature map (N, H, W, C) of a layer for z, on the host."""
    with use_precision("fp32"):
        return backend.to_numpy(next(y for own, _, y in G.answers(x) if own == name))


def drawn_without(G: Sequential, x: Array, name: str, filters: np.ndarray) -> Array:
    """Return G's pictures for z, with these filters of a layer set to 0: (N, H, W, C), as G's last layer gives them."""
    y = x
    with use_precision("fp32"):  # y is then the array itself that the next layer reads
        for own, _, y in G.answers(x):
            if own == name:
                y[..., filters] = 0
    return y


def examples(
    maps: np.ndarray, numbers: Sequence[int], boxes: Sequence[Box], size: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return places of maps (N, H, W, C) of the pictures `numbers`: rows (M, C), and whether each is in a box (M,).

    A place is in a box if its middle is, in pixels of a picture of this size (H, W). Of the others as many are drawn.
    Raises UserError where no place, or each, is in a box.
    """
    inside = np.zeros(maps.shape[:3], bool)
    down, across = ((np.arange(count) + 0.5) * side / count for count, side in zip(maps.shape[1:3], size, strict=True))
    for box in boxes:
        rows = (down >= box.top) & (down < box.bottom)
        inside[list(numbers).index(box.number)] |= rows[:, None] & ((across >= box.left) & (across < box.right))
    there, others = np.flatnonzero(inside), np.flatnonzero(~inside)
    if not len(there) or not len(others):
        step = " x ".join(f"{side / count:g}" for side, count in zip(size, maps.shape[1:3], strict=True))
        what = "no box holds the middle of a place" if not len(there) else "the boxes cover all of the pictures"
        raise UserError(f"--box: {what} of the feature map, which are {step} pixels apart: draw other boxes")
    chosen = np.concatenate([there, rng.choice(others, min(len(there), len(others)), replace=False)])
    return maps.reshape(-1, maps.shape[-1])[chosen], inside.ravel()[chosen]


def logistic_regression(x: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the weights (C,) for x (M, C), each column divided by its deviation, and the share of right answers.

        minimise  sum log(1 + exp(-s (w x + b))) + RIDGE |w|^2 / 2,   s = 1 where inside, else -1

    by Newton's method: (X^T p (1 - p) X + RIDGE) step = X^T (p - inside) + RIDGE w, where p = 1 / (1 + exp(-w x - b)).
    """
    deviation = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    X = np.concatenate([scaled, np.ones((len(x), 1))], axis=1).astype("float64")
    ridge = RIDGE * np.append(np.ones(x.shape[1]), 1e-9)  # b is free
    w = np.zeros(X.shape[1])
    for _ in range(NEWTON):
        p = 1 / (1 + np.exp(-np.clip(X @ w, -500, 500)))
        gradient = X.T @ (p - inside) + ridge * w
        step = np.linalg.solve((X.T * (p * (1 - p))) @ X + np.diag(ridge), gradient)
        w -= step
        if np.abs(step).max() < 1e-8:
            break
    return w[:-1], float(((X @ w > 0) == inside).mean())
