"""From a batch on the host to an update of both networks: at once, or by replaying a CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan.gan import GAN
from dcgan.sampling import lowest
from dcgan.steps import Stats
from gpunet import backend
from gpunet.backend.graph import Graph, Upload, computing_stream


class Stepper:
    """Runs a GAN's training steps. On cuda with graph=True each is one graph launch; the numbers are the same bits.

    Every `GAN.plan` has a graph of its own: with ratio 5:1, steps with and without G. Use it within its `running()`
    block.
    """

    def __init__(self, gan: GAN, device: str, graph: bool) -> None:
        self.gan, self.device = gan, device
        self.stream = computing_stream() if graph and device == "cuda" else None
        self.graphs: dict[tuple[bool, int], tuple[Upload, Graph]] = {}  # plan -> inputs and graph

    def running(self) -> contextlib.AbstractContextManager[Any]:
        """Make the stream of the steps the one that everything else in the block is queued on, too."""
        return self.stream or contextlib.nullcontext()

    def __call__(
        self,
        number: int,
        images: np.ndarray,
        zs: Sequence[np.ndarray],
        flip: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> Stats:
        """Train on uint8 pictures (N, H, W, C), the number-th batch from 1; zs as many as `GAN.draws` says."""
        given = {"images": images, "flip": flip, "labels": labels} | {f"z{i}": z for i, z in enumerate(zs)}
        arrays = {name: array for name, array in given.items() if array is not None}
        if self.stream is None:
            inputs = {name: backend.to_device(array, self.device) for name, array in arrays.items()}
            return self._step(number, **inputs)
        upload, graph = self._graph(number, arrays)
        upload(list(arrays.values()), self.stream)
        names, numbers = graph(self.stream)
        return dict(zip(names, backend.join(numbers), strict=True))  # a copy: the next replay overwrites them

    def _graph(self, number: int, arrays: dict[str, np.ndarray]) -> tuple[Upload, Graph]:
        """Return the inputs and the graph of the number-th step's plan."""
        plan, names = self.gan.plan(number), tuple(arrays)
        if plan not in self.graphs:
            upload = Upload(list(arrays.values()))
            step = lambda *inputs: _packed(self._step(number, **dict(zip(names, inputs, strict=True))))  # noqa: E731
            self.graphs[plan] = upload, Graph(step, upload.inputs)
        return self.graphs[plan]

    def _step(self, number: int, images: Any, flip: Any = None, labels: Any = None, **zs: Any) -> Stats:
        real = backend.images_to_real(images, flip=flip, low=lowest(self.gan.G))  # (N, H, W, C)
        return self.gan.step(number, real, list(zs.values()), labels)


def _packed(stats: Stats) -> tuple[tuple[str, ...], Any]:
    """Return the names and, as one array, the numbers: one copy saves them all."""
    return tuple(stats), backend.join(*(value.reshape(1) for value in stats.values()))
