"""Sums of a network's gradients over all ranks, begun while the backward pass still runs.

An optimiser's gradients lie in flat buffers (gpunet.flat) in the order of the layers. Backward goes from the last layer
to the first, so the finished gradients are the end of each buffer, which grows towards its beginning:

    layer            1        2         3     4
    buffer           ........ ......... ##### ###      # finished: 4, then 3
                                        [--------]     once they are BUCKET numbers or more, their sum begins

`step` of the optimiser begins what is left and waits for all. Each bucket is a message of its own: few large ones keep
the links busy, and the first of several leaves early. Li et al., "PyTorch Distributed: experiences on accelerating data
parallel training", 2020, section 3.2.3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gpunet import flat
from gpunet.backend.devices import Array
from gpunet.distributed.base import Handle, Ranks
from gpunet.layers.parameter import Parameter

if TYPE_CHECKING:
    from gpunet.layers.base import Layer
    from gpunet.layers.sequential import Sequential

BUCKET = 2**20  # numbers: 4 MiB of float32


class _Place(NamedTuple):
    """Where a parameter's gradient begins: in which buffer, and at which number."""

    buffer: int
    start: int


class GradientSums:
    """The sums over a group of ranks of gradients in flat buffers, of which the parameters' gradients are views."""

    def __init__(self, group: Ranks, buffers: Sequence[Array], parameters: Sequence[Parameter]) -> None:
        self.group, self.buffers = group, buffers
        self.places: dict[int, _Place] = {}  # of each parameter, by its id
        self.order: list[list[Parameter]] = []  # the parameters of each buffer, from its beginning on
        for buffer, kind in enumerate(flat.kinds([parameter.data for parameter in parameters])):
            start = 0
            self.order.append([parameters[i] for i in kind])
            for i in kind:
                self.places[id(parameters[i])] = _Place(buffer, start)
                start += flat.room(parameters[i].data)
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.handles: list[Handle] = []
        self.finished: set[int] = set()  # ids of parameters
        self.left = [len(own) for own in self.order]  # of each buffer: parameters before the finished ones
        self.begun = [buffer.size for buffer in self.buffers]  # of each buffer: from here on sums have begun

    @contextlib.contextmanager
    def early(self, net: Sequential) -> Iterator[None]:
        """Within the block backward of a network begins sums; it has to be the last pass that adds to gradients."""
        self._begin_anew()
        net.finished = self._layer_finished
        try:
            yield
        finally:
            net.finished = None

    def _layer_finished(self, layer: Layer) -> None:
        """Take note that backward has left a layer: begin the sums of those buckets that are full."""
        for handle in self.handles:
            handle.poke()
        for parameter in layer.parameters():
            # Asking for the gradient waits for it where another branch of a graph computes it.
            if id(parameter) in self.places and parameter.grad is parameter.grad_buffer:
                self.finished.add(id(parameter))
        for buffer, own in enumerate(self.order):
            while self.left[buffer] and id(own[self.left[buffer] - 1]) in self.finished:
                self.left[buffer] -= 1
            start = self._start(buffer)
            if self.begun[buffer] - start >= BUCKET:
                self._begin(buffer, start)

    def _start(self, buffer: int) -> int:
        """Return where the finished gradients of a buffer begin."""
        own, left = self.order[buffer], self.left[buffer]
        return self.places[id(own[left])].start if left < len(own) else self.buffers[buffer].size

    def _begin(self, buffer: int, start: int) -> None:
        self.handles.append(self.group.begin_sum(self.buffers[buffer][start : self.begun[buffer]]))
        self.begun[buffer] = start

    def finish(self) -> None:
        """Begin the sums that are left, and wait for all: then every buffer holds the sum over all ranks."""
        for buffer, begun in enumerate(self.begun):
            if begun:
                self._begin(buffer, 0)
        for handle in self.handles:
            handle.wait()
        self._begin_anew()
