"""From a batch on the host to an update of both networks: at once, or by replaying a CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan.gan import GAN
from dcgan.steps import Stats
from gpunet import backend
from gpunet.backend.graph import Graph, Upload, computing_stream


class Stepper:
    """Runs a GAN's training steps. On cuda with graph=True each is one graph launch; the numbers are the same bits.

    Steps with and without an update of G are two graphs (ratio n:m). Use it within its `running()` block.
    """

    def __init__(self, gan: GAN, device: str, graph: bool) -> None:
        self.gan, self.device = gan, device
        self.stream = computing_stream() if graph and device == "cuda" else None
        self.graphs: dict[int, tuple[Upload, Graph]] = {}  # number of G steps -> inputs and graph

    def running(self) -> contextlib.AbstractContextManager[Any]:
        """Make the stream of the steps the one that everything else in the block is queued on, too."""
        return self.stream or contextlib.nullcontext()

    def __call__(self, number: int, images: np.ndarray, zs: Sequence[np.ndarray], flip: np.ndarray | None) -> Stats:
        """Train on uint8 pictures (N, H, W, C), the number-th batch from 1; zs as many as `GAN.draws` says."""
        arrays = [images, *zs] if flip is None else [images, *zs, flip]
        if self.stream is None:
            return self._step(number, flip is not None, [backend.to_device(array, self.device) for array in arrays])
        kind = self.gan.generator_steps(number)
        if kind not in self.graphs:
            upload = Upload(arrays)
            step = lambda *inputs: self._step(number, flip is not None, inputs)  # noqa: E731
            self.graphs[kind] = upload, Graph(step, upload.inputs)
        upload, graph = self.graphs[kind]
        upload(arrays, self.stream)
        return {name: value.copy() for name, value in graph(self.stream).items()}  # the next replay overwrites them

    def _step(self, number: int, flipped: bool, arrays: Sequence[Any]) -> Stats:
        images, *zs = arrays
        real = backend.images_to_real(images, flip=zs.pop() if flipped else None)  # (N, H, W, C) in [-1, 1]
        return self.gan.step(number, real, zs)
