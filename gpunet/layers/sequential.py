"""Sequential: layers one after another; backward is the same list read from the end."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence

from gpunet.backend import factors
from gpunet.backend.cells import Cells, Layout, Room
from gpunet.backend.devices import Array
from gpunet.backend.epilogue import Summed
from gpunet.layers.activations import LeakyReLU, ReLU, Tanh
from gpunet.layers.base import Layer, unrounded, unsummed
from gpunet.layers.batchnorm import BatchNorm
from gpunet.layers.conv import Conv2d, ConvTranspose2d
from gpunet.layers.spectral import SpectralNorm

Handing = BatchNorm | Conv2d | ConvTranspose2d  # layers that take and hand over Factors


class Sequential(Layer):
    """y = layers[-1](... layers[1](layers[0](x))). Parameters are named by position: "0.weight".

    A ReLU or LeakyReLU right behind a BatchNorm runs inside the normalisation's own pass, forward and backward: one
    trip through memory instead of two; so does a LeakyReLU right behind a Conv2d, in a SpectralNorm or not. The layer
    stays in the list; only its work moves. Where a convolution multiplies rounded numbers, the layer that writes them
    for it rounds them. In 16 bits, so do all convolutions and batch norms that stand side by side: what they hand over
    takes half the memory (gpunet.backend.factors). A convolution next to a BatchNorm may sum up its result for it
    (gpunet.backend.epilogue).
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        self.layers = list(layers)
        self._steps: list[Layer] = []  # the layers that still do work of their own
        self.finished: Callable[[Layer], None] | None = None  # is called with each layer that backward has left
        for layer in layers:
            _set_alone(_inner(layer))
            before = _inner(self._steps[-1]) if self._steps else None
            if _runs_inside(layer, before):
                before.slope = layer.slope  # type: ignore[union-attr, attr-defined]
            else:
                self._steps.append(layer)
        for before, after in itertools.pairwise(map(_inner, self._steps)):
            if isinstance(before, Handing) and isinstance(after, Handing):
                before.rounding_y, after.rounding_dx = after.rounding_x, _rounding_between(before, after)
            if isinstance(before, Conv2d | ConvTranspose2d) and isinstance(after, BatchNorm):
                before.sums_y = after.statistics
            if isinstance(before, BatchNorm) and isinstance(after, Conv2d | ConvTranspose2d):
                after.sums_dx = before.gradients
            if isinstance(before, ConvTranspose2d):
                before.hands_cells = isinstance(after, Tanh)

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield from ((str(i), layer) for i, layer in enumerate(self.layers))

    @property
    def steps(self) -> Sequence[Layer]:
        """The layers that do work of their own, in order: those that run inside another one's pass are left out."""
        return tuple(self._steps)

    def forward(self, x: Array) -> Array:
        for layer in self._steps:
            x = layer.forward(x)
        return x

    def answers(self, x: Array) -> Iterator[tuple[str, Layer, Array]]:
        """Yield each layer that does work of its own as x passes through: its name ("3"), itself and its y.

        The layers on the paths of a block, such as "3.branch.0", come before the block.
        """
        for layer in self._steps:
            name = str(self.layers.index(layer))
            for path, inner in layer.children():
                if isinstance(inner, Sequential):
                    yield from ((f"{name}.{path}.{one}", *more) for one, *more in inner.answers(x))
            x = layer.forward(x)
            yield name, layer, factors.real(x.numbers if isinstance(x, Summed) else x)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        for layer in reversed(self._steps[1:]):
            dy = layer.backward(dy)
            if self.finished:
                self.finished(layer)
        return self._steps[0].backward(dy, input_grad)

    # ---- pictures as cells, between two networks (gpunet.backend.cells) ----

    def layout_of_x(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the layout of cells in which the first layer takes pictures (N, H, W, C), None if it takes others."""
        first = _inner(self._steps[0])
        return first.layout_of_x(shape) if isinstance(first, Conv2d) else None

    @property
    def makes_pictures(self) -> bool:
        """Whether the last layer can write its result as cells, too."""
        return isinstance(self._steps[-1], Tanh)

    @contextlib.contextmanager
    def writing_into(self, room: Room) -> Iterator[None]:
        """Within the block the last layer, a Tanh, also writes its result into `room`."""
        last = self._steps[-1]
        assert isinstance(last, Tanh)
        try:
            last.room = room
            yield
        finally:
            last.room = None

    @contextlib.contextmanager
    def handing_cells(self, tanh: Cells | None = None) -> Iterator[None]:
        """Within the block backward returns cells where the first layer, a Conv2d, computes dx so.

        tanh: what `RoundedCells.input_grad_cells` takes (gpunet.backend.conv.of_cells).
        """
        first = _inner(self._steps[0])
        assert isinstance(first, Conv2d)
        try:
            first.hands_cells, first.tanh = True, tanh
            yield
        finally:
            first.hands_cells, first.tanh = False, None

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        inside = "".join(f"\n  {i}: {layer!r}" for i, layer in enumerate(self.layers))
        return f"Sequential({inside}\n)"


def _inner(layer: Layer) -> Layer:
    """Return the layer that a SpectralNorm wraps, which does its work; any other layer as it is."""
    return layer.layer if isinstance(layer, SpectralNorm) else layer


def hands_over(layer: Layer) -> bool:
    """Return whether a layer hands its result on as a Factor where tensor cores multiply numbers of 16 bits."""
    layer = _inner(layer)
    return isinstance(layer, Handing) and layer.rounding_y is not unrounded


def _set_alone(layer: Layer) -> None:
    """Undo what another list, in which the layer was before, has settled with its neighbours there."""
    if isinstance(layer, Handing):
        layer.rounding_y = layer.rounding_dx = unrounded
    if isinstance(layer, Conv2d | ConvTranspose2d):
        layer.sums_y = layer.sums_dx = unsummed
        layer.hands_cells = False
    if isinstance(layer, BatchNorm | Conv2d):
        layer.slope = 1.0


def _rounding_between(before: BatchNorm | Conv2d | ConvTranspose2d, after: Layer) -> Callable[[], str | None]:
    """Return the function that says in which precision the layer before takes dy as a Factor.

    The derivative of a leaky ReLU that runs inside a convolution comes first, and takes float32 or 16 bits; but a
    convolution behind it computes it in its own pass.
    """
    if isinstance(before, Conv2d) and before.slope != 1 and not isinstance(after, Conv2d):
        return lambda: factors.storage(before.weight.data)
    return before.rounding_dy


def _runs_inside(layer: Layer, before: Layer | None) -> bool:
    """Return whether an activation runs inside the pass of the layer before it."""
    if isinstance(before, BatchNorm):
        return before.slope == 1 and isinstance(layer, ReLU | LeakyReLU)
    return isinstance(before, Conv2d) and before.slope == 1 and isinstance(layer, LeakyReLU)
