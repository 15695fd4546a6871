"""The loss of an inversion: how far G's pictures x are from the targets t, for every row, with its gradient by x.

    loss = sum of w (x - t)^2                                          pixels; the weights w of a picture add up to 1
         + features_weight * mean over D's maps f of |f(x) - f(t)|^2 / |f(t)|^2
         + prior * (the loss that G was trained with, of D(x))         such as -log D(x): x shall look real

A row is one start of the search for one picture. The prior has a part in the gradient only: rows are compared by how
near they are to their targets.
"""

from __future__ import annotations

from typing import Any

from dcgan.inversion import judged
from dcgan.inversion.effort import Effort, Networks
from dcgan.losses import LOSSES
from gpunet import backend
from gpunet.backend.devices import Array

HALVINGS = 2  # of the pictures that --low-pass compares: the means of 4x4 pixels remain
PIXELS = (1, 2, 3)  # the axes of (R, H, W, C) that belong to one row


class Objective:
    """The loss for R rows, and what it needs of their targets, on the device of G.

    targets (R, H, W, C) in the range of G's pictures; weights (R, H, W, 1), or None: all pixels count the same.
    Within `judged.differentiated(D)` where the effort asks D.
    """

    def __init__(self, networks: Networks, effort: Effort, targets: Array, weights: Array | None = None) -> None:
        self.networks, self.effort, self.targets = networks, effort, targets
        size = targets[0].size
        self.weights: Any = 1 / size if weights is None else weights / weights.sum(axis=PIXELS, keepdims=True)
        if weights is not None:
            self.weights /= targets.shape[-1]  # the channels of a pixel share its weight
        self.maps: dict[int, Array] = {}
        if effort.features_weight:
            self.maps = dict(judged.forward(networks.judge(), targets).maps)
            networks.judge().forget()

    def keep(self, rows: Any) -> None:
        """Go on with these rows only."""
        self.targets = self.targets[rows]
        if not isinstance(self.weights, float):
            self.weights = self.weights[rows]
        self.maps = {place: y[rows] for place, y in self.maps.items()}

    def __call__(self, x: Array, low_pass: bool = False) -> tuple[Array, Array]:
        """Return the loss of every row (R,), and the gradient of their sum by x (R, H, W, C).

        low_pass: compare the means of 4x4 pixels. Means of means are the same means, so that the gradient is the one
        of the pixels' loss with the mean differences in place of the differences.
        """
        difference = x - self.targets
        if low_pass:
            difference = means(difference)
        weighted = self.weights * difference
        losses, dx = (weighted * difference).sum(axis=PIXELS), 2 * weighted
        if self.effort.needs_D:
            of_maps, dx_of_D = self._of_D(x)
            losses, dx = losses + of_maps, dx + dx_of_D
        return losses, dx

    def _of_D(self, x: Array) -> tuple[Array | float, Array]:
        """Return the features' part of the loss (R,), and the gradient of the features' and the prior's part."""
        losses: Any = 0.0
        dmaps = {}
        D = self.networks.judge()
        maps, answers = judged.forward(D, x)
        for place, target in self.maps.items():
            difference = maps[place] - target
            squares = (target * target).sum(axis=PIXELS, keepdims=True) + 1e-12  # of no map at all, too
            share = self.effort.features_weight / len(self.maps) / squares  # (R, 1, 1, 1)
            losses = losses + (share * difference * difference).sum(axis=PIXELS)
            dmaps[place] = 2 * share * difference
        *_, danswers = LOSSES[self.networks.config.loss].of_G(1.0).of(answers)  # of the mean over rows
        return losses, judged.backward(D, dmaps, danswers * (self.effort.prior * len(x)))


def means(x: Array) -> Array:
    """Return pictures (R, H, W, C) in which each window of 4x4 pixels has its mean."""
    sizes = []
    for _ in range(HALVINGS):
        sizes.append(x.shape[1:3])
        x = backend.downsample(x, mean=True)
    for hw in reversed(sizes):
        x = backend.upsample(x, hw)
    return x
