"""From a batch on the host to an update of both networks: at once, or by replaying a CUDA graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dcgan.augment import View
from dcgan.gan import GAN
from dcgan.sampling import lowest
from dcgan.steps import Stats
from gpunet import backend
from gpunet.backend.cells import Bytes
from gpunet.backend.devices import Array
from gpunet.backend.graph import Graph, Upload, computing_stream, working_on


class Inputs(NamedTuple):
    """The arrays that a training step takes, on the host or on the device."""

    images: Any  # uint8 (N, H, W, C)
    zs: Sequence[Any]  # as many float32 (N, 1, 1, z_dim) as `GAN.draws` says
    flip: Any = None  # bool (N,): which pictures are mirrored; None: none of them
    labels: Any = None  # int32 (N,), for networks that are told them
    changes: Any = None  # float32 (sets, N, 7): how pictures are changed before D sees them (dcgan/augment.py)
    noise: Any = None  # float64 (4,): the noise on what D sees
    mix: Any = None  # float32 (N,), for WGAN-GP: see dcgan.penalties.draw_mix

    def arrays(self) -> list[np.ndarray]:
        """Return all arrays that there are, in the order of the fields, but each z last."""
        return [array for array in (self.images, *self._optional(), *self.zs) if array is not None]

    def _optional(self) -> tuple[Any, ...]:
        return self.flip, self.labels, self.changes, self.noise, self.mix

    def with_arrays(self, arrays: Iterable[Array]) -> Inputs:
        """Return inputs of the same kind that hold these arrays, given in the order of `arrays()`."""
        rest = iter(arrays)
        images = next(rest)
        optional = [None if mine is None else next(rest) for mine in self._optional()]
        return Inputs(images, tuple(rest), *optional)


class Stepper:
    """Runs a GAN's training steps. On cuda with graph=True each is one graph launch; the numbers are the same bits.

    Every `GAN.plan` has a graph of its own: with ratio 5:1, steps with and without G; so has every choice of penalties.
    Use it within its `running()` block.
    """

    def __init__(self, gan: GAN, device: str, graph: bool) -> None:
        self.gan, self.device = gan, device
        self.stream = computing_stream() if graph and device == "cuda" else None
        self.graphs: dict[tuple, tuple[Upload, Graph]] = {}  # plan, penalties -> where its inputs go, and its graph

    def running(self) -> contextlib.AbstractContextManager[Any]:
        """Queue all work of the block on the stream of the steps, in order with what is done before and after it."""
        return contextlib.nullcontext() if self.stream is None else working_on(self.stream)

    def __call__(self, number: int, inputs: Inputs) -> Stats:
        """Train on the number-th batch, counted from 1; its arrays are on the host."""
        if self.stream is None:
            return self._step(number, inputs.with_arrays(backend.to_device(a, self.device) for a in inputs.arrays()))
        plan = self.gan.plan(number), self.gan.penalties(number)
        if plan not in self.graphs:
            upload = Upload(inputs.arrays())
            self.graphs[plan] = upload, Graph(self._step_of_arrays(number, inputs), upload.inputs)
        upload, graph = self.graphs[plan]
        upload(inputs.arrays(), self.stream)
        stats = graph(self.stream)
        numbers = backend.join(*(value.reshape(1) for value in stats.values()))  # a copy: the next replay overwrites it
        return dict(zip(stats, numbers, strict=True))

    def _step(self, number: int, inputs: Inputs) -> Stats:
        """Train on inputs on the device."""
        real = Bytes(inputs.images, inputs.flip, lowest(self.gan.G))  # (N, H, W, C)
        view = View(self.gan.config, inputs.changes, inputs.noise)
        return self.gan.step(number, real, inputs.zs, inputs.labels, view, inputs.mix)

    def _step_of_arrays(self, number: int, like: Inputs) -> Callable[..., Stats]:
        """Return a step for `Graph`, on arrays in the order of `Inputs.arrays`."""
        return lambda *arrays: self._step(number, like.with_arrays(arrays))
