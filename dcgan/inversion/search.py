"""The search for z: Adam moves z, not the weights, along the gradient that G's backward pass returns.

    x = G(z),   loss and dx by dcgan.inversion.objective,   dz = G.backward(dx),   z = Adam(z, dz)

All starts of some pictures are one batch. After each eighth of the steps the worse half of a picture's starts is given
up, until one is left (successive halving: Jamieson & Talwalkar, 2016): 4 starts and 250 steps are 31 steps with 4
starts, 31 with 2 and 188 with one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from dcgan import sampling
from dcgan.inversion import judged, start
from dcgan.inversion.effort import Effort, Networks
from dcgan.inversion.objective import Objective
from gpunet import backend
from gpunet.backend.adam import LR
from gpunet.backend.devices import Array, device_of, to_device, to_numpy
from gpunet.layers import BatchNorm, Sequential

ROWS = 128  # starts in a batch: more pictures take turns
RATES = {"normal": 0.2, "uniform": 0.1, "unsigned": 0.05}  # Adam's rate at first: some fifth of z's deviation
BETAS, EPS = (0.9, 0.99), 1e-12
STAGES = 8  # parts of the steps; after each the worse half of the starts ends
FRAMES = 40  # pictures that show how the search went


class Found(NamedTuple):
    """What a search found for N pictures: z (N, z_dim), labels (N,) or None, the loss of each (N,), and G's pictures
    on the way, uint8 (F, N, H, W, C)."""

    z: np.ndarray
    labels: np.ndarray | None
    losses: np.ndarray
    frames: np.ndarray


def search(
    networks: Networks,
    effort: Effort,
    targets: np.ndarray,
    labels: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    progress: bool = False,
) -> Found:
    """Return the z whose pictures are nearest to targets (N, H, W, C), numbers in the range of G's pictures.

    labels (N,), int32: their classes; None: no classes, or each is tried. weights (N, H, W, 1): how much each pixel
    counts; None: all the same. The networks are left in evaluation mode, their weights and averages as they were.
    """
    if effort.needs_D:
        networks.judge()
    with _by_averages(networks.G):
        starts = start.nearest(networks, effort, targets, labels, weights)
        count, each = starts.z.shape[:2]
        together = max(1, ROWS // each)  # pictures of a batch
        cuts = [slice(first, first + together) for first in range(0, count, together)]
        with tqdm(total=len(cuts) * effort.steps, unit="step", disable=None if progress else True) as bar:
            parts = [_search(networks, effort, _cut((targets, weights, *starts), cut), bar) for cut in cuts]
    z, losses = (np.concatenate([part[i] for part in parts]) for i in (0, 2))
    classes = None if starts.labels is None else np.concatenate([np.asarray(part.labels) for part in parts])
    return Found(z, classes, losses, np.concatenate([part.frames for part in parts], axis=1))


def _cut(arrays: tuple[np.ndarray | None, ...], cut: slice) -> list[Any]:
    return [None if array is None else array[cut] for array in arrays]


@contextlib.contextmanager
def _by_averages(G: Sequential) -> Iterator[None]:
    """Within the block batch norm uses its running averages, also in networks that sample by the batch's statistics."""
    norms = [(layer, layer.batch_statistics) for layer in G.eval().walk() if isinstance(layer, BatchNorm)]
    try:
        for layer, _ in norms:
            layer.batch_statistics = False
        yield
    finally:
        for layer, before in norms:
            layer.batch_statistics = before


def _search(networks: Networks, effort: Effort, given: list[Any], bar: Any) -> Found:
    """Search in one batch; given: targets, weights, z and labels."""
    steps, frames, G = effort.steps, [], networks.G
    shown = {round(steps * (i / FRAMES) ** 2) for i in range(FRAMES)}  # dense at first, when most happens
    judging = judged.differentiated(networks.judge()) if effort.needs_D else contextlib.nullcontext()
    with G.saving(), G.frozen(), judging:
        rows = Rows(networks, effort, *given)
        for step in range(steps):
            x = rows.step(step)
            if step in shown:
                frames.append(rows.pictures(x))
            if (step + 1) % max(1, steps // STAGES) == 0:
                rows.halve()
            bar.update()
    z, labels, losses = rows.best()
    frames.append(sampling.sample(G, z[:, np.newaxis, np.newaxis], labels, strict=True))
    return Found(z, labels, losses, np.stack(frames))


class Rows:
    """The starts of N pictures, S of each and those of the first picture first, on the device of G."""

    def __init__(
        self,
        networks: Networks,
        effort: Effort,
        targets: np.ndarray,
        weights: np.ndarray | None,
        z: np.ndarray,
        labels: np.ndarray | None,
    ) -> None:
        self.networks, self.effort = networks, effort
        self.count, self.each = z.shape[:2]
        self.device = device_of(networks.G.parameters()[0].data)
        self.z = self._there(z.reshape(self.count * self.each, -1))  # (R, z_dim), R = N S
        self.m, self.v = 0 * self.z, 0 * self.z
        self.adam = self._there(np.zeros(4))  # see gpunet.backend.adam
        self.labels = None if labels is None else self._there(labels.ravel())
        weights = None if weights is None else self._there(weights.repeat(self.each, 0))
        with self._told():
            self.objective = Objective(networks, effort, self._there(targets.repeat(self.each, 0)), weights)
        self.losses = np.zeros(len(self.z))  # those of the newest step

    def step(self, number: int) -> Array:
        """Take a step of Adam, whose rate falls along half a cosine; return G's pictures before it (R, H, W, C)."""
        effort, G = self.effort, self.networks.G
        self.adam[LR] = RATES[self.networks.config.z_dist] * (1 + math.cos(math.pi * number / effort.steps)) / 2
        with self._told():
            x = G.forward(self.z[:, np.newaxis, np.newaxis])
            losses, dx = self.objective(x, effort.low_pass and 3 * number < effort.steps)
            dz: Any = G.backward(dx)
        self.losses = to_numpy(losses)
        flat = (array.reshape(-1) for array in (self.z, dz, self.m, self.v))
        backend.adam_update(*flat, self.adam, BETAS, EPS)
        start.bring_back(self.z, self.networks.config.z_dist)
        return x

    def halve(self) -> None:
        """Give up the worse half of each picture's starts, unless one is left."""
        if self.each > 1:
            self.each, rows = self.each // 2, self._ranked()[:, : self.each // 2].ravel()
            self.losses, there = self.losses[rows], self._there(rows)
            self.z, self.m, self.v = (array[there] for array in (self.z, self.m, self.v))
            self.labels = None if self.labels is None else self.labels[there]
            self.objective.keep(there)

    def best(self) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Return z (N, z_dim), the labels (N,) and the losses (N,) of the best start of each picture."""
        rows = self._ranked()[:, 0]
        labels = None if self.labels is None else to_numpy(self.labels)[rows]
        return to_numpy(self.z)[rows], labels, self.losses[rows]

    def pictures(self, x: Array) -> np.ndarray:
        """Return the best of pictures x (R, H, W, C) for each target: uint8 (N, H, W, C)."""
        best = x[self._there(self._ranked()[:, 0])]
        return to_numpy(backend.real_to_images(best, sampling.lowest(self.networks.G)))

    def _ranked(self) -> np.ndarray:
        """Return the rows of each picture, the best first: (N, S)."""
        order = np.argsort(self.losses.reshape(self.count, -1), axis=1)
        return order + np.arange(self.count)[:, np.newaxis] * order.shape[1]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Within the block the networks are told the classes of the rows."""
        asked = [net for net in (self.networks.G, self.networks.D if self.effort.needs_D else None) if net]
        with contextlib.ExitStack() as stack:
            for net in asked:
                stack.enter_context(net.given(self.labels))
            yield

    def _there(self, array: np.ndarray) -> Array:
        return to_device(array, self.device)
