"""The moving average of a network: its weights and its running statistics, averaged over the steps of training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from gpunet import flat
from gpunet.backend.average import Averages
from gpunet.backend.devices import Array
from gpunet.layers.base import Layer
from gpunet.optim import Adam

MOST = 0.999  # the decay that is reached in the end, after 9,000 steps: about 1,000 steps count


class Average:
    """Averages of the parameters and buffers of a network, which each of Adam's steps moves (gpunet.backend.average).

    The network's buffers move into one flat array, as Adam has moved its parameters into others: so a few launches
    average a whole network, on a GPU none beside Adam's own. Make it after the network's Adam, which from then on
    knows it. An Adam knows one average, the latest.
    """

    def __init__(self, net: Layer, optimizer: Adam, most: float = MOST) -> None:
        if not 0 <= most < 1:
            raise ValueError(f"got most={most}, expected a decay of at least 0 and below 1")
        self.net, self.optimizer, self.most = net, optimizer, most
        self.buffers = _flat(net, optimizer.data[0])
        self.parameters_average = [data.copy() for data in optimizer.data]
        self.buffers_average = [buffer.copy() for buffer in self.buffers]
        of_buffers = list(zip(self.buffers_average, self.buffers, strict=True))
        optimizer.averages = Averages(self.parameters_average, of_buffers, most)

    def restart(self) -> None:
        """Let the averages be the network as it is now."""
        for average, now in self._pairs():
            average[...] = now

    def _pairs(self) -> Iterator[tuple[Array, Array]]:
        """Yield each flat buffer's average, and the buffer."""
        yield from zip(self.parameters_average, self.optimizer.data, strict=True)
        yield from zip(self.buffers_average, self.buffers, strict=True)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[Layer]:
        """Within the block the network computes with its averages."""
        parameters, layers = self.optimizer.parameters, [layer for layer in self.net.walk() if layer.buffers]
        before = [parameter.data for parameter in parameters], [layer.buffers for layer in layers]
        try:
            for parameter, view in zip(parameters, flat.views(self.parameters_average, before[0]), strict=True):
                parameter.data = view
            views = iter(flat.views(self.buffers_average, [array for own in before[1] for array in own.values()]))
            for layer in layers:
                layer.buffers = {name: next(views) for name in layer.buffers}
            yield self.net
        finally:
            for parameter, data in zip(parameters, before[0], strict=True):
                parameter.data = data
            for layer, own in zip(layers, before[1], strict=True):
                layer.buffers = own

    def state_dict(self) -> dict[str, Array]:
        """Return copies of the averages by the network's own names."""
        with self.in_use() as net:
            return net.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Copy averages in, from any device. Raises ValueError where they do not fit the network."""
        with self.in_use() as net:
            net.load_state_dict(state)


def _flat(net: Layer, like: Array) -> list[Array]:
    """Move the buffers of all layers into flat ones, of which they become views; return these."""
    layers = [layer for layer in net.walk() if layer.buffers]
    arrays = [array for layer in layers for array in layer.buffers.values()]
    buffers = flat.buffers(arrays, like)
    views = iter(flat.views(buffers, arrays))
    for layer in layers:
        for name, array in layer.buffers.items():
            layer.buffers[name] = next(views)
            layer.buffers[name][...] = array
    return buffers
