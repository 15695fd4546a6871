"""The pictures between G and D: real ones and G's as one batch, in memory as D's first layer takes them.

Where that is cells (gpunet/backend/cells.py: on tensor cores), nobody copies pictures: bytes become cells in the first
half of the batch, G's last layer writes the second half, and D hands the gradient back to G as cells. Everywhere else
they are float32 arrays, and `join` puts both halves together: where D sees pictures changed (--augment,
--instance-noise), where a penalty needs them, where D begins with the labels, and on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from dcgan.augment import View
from gpunet import backend
from gpunet.backend import cells
from gpunet.backend.cells import Cells, Layout
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array
from gpunet.layers import Layer, Sequential


class Bytes(NamedTuple):
    """Real pictures that are still bytes (N, H, W, C); they become numbers from `low` to 1 where they are taken."""

    images: Array
    flip: Array | None  # (N,): which are mirrored
    low: float

    @property
    def shape(self) -> tuple[int, ...]:
        return self.images.shape

    def part(self, which: slice) -> Bytes:
        """Return some of the pictures."""
        return Bytes(self.images[which], None if self.flip is None else self.flip[which], self.low)

    def real(self) -> Array:
        """Return the pictures as float32."""
        return backend.images_to_real(self.images, flip=self.flip, low=self.low)


def both(G: Layer, D: Layer, real: Array | Bytes, z: Array, see: View, kept: bool = False) -> tuple[Any, Any]:
    """Return G's pictures for z (N, H, W, C), and what D sees: the real ones and, behind them, G's (2 N, H, W, C).

    kept: the caller needs what D sees as an array.
    """
    layout = None if kept else layout_between(G, D, see, real.shape)
    if layout is None:
        fake = G.forward(z)
        return fake, see(backend.join(real.real() if isinstance(real, Bytes) else real, fake), batches=2)
    n = real.shape[0]
    joined = cells.new_cells(z, 2 * n, layout)
    if isinstance(real, Bytes):
        cells.images_to_cells(real.images, real.flip, real.low, joined[:n])
    else:
        cells.to_cells(real, layout, joined[:n])
    return _drawn(G, z, joined[n:]), joined


def fake_for(G: Layer, D: Layer, z: Array, see: View, shape: tuple[int, ...]) -> Any:
    """Return G's pictures for z, of a shape (N, H, W, C), as D's first layer takes them."""
    layout = layout_between(G, D, see, shape)
    return G.forward(z) if layout is None else _drawn(G, z, cells.new_cells(z, shape[0], layout))


def _drawn(G: Any, z: Array, room: Cells) -> Cells:
    with G.writing_into(room):
        G.forward(z)
    return room


@contextlib.contextmanager
def handing_back(D: Layer, fake: Any) -> Iterator[None]:
    """Within the block D's backward returns its gradient as cells if it has seen G's pictures as cells."""
    with D.handing_cells() if isinstance(fake, Cells) else contextlib.nullcontext():  # type: ignore[attr-defined]
        yield


def layout_between(G: Layer, D: Layer, see: View, shape: tuple[int, ...]) -> Layout | None:
    """Return the layout of cells in which pictures (N, H, W, C) go from G to D, None if they go as arrays."""
    if not (fused() and see.changes_nothing and isinstance(G, Sequential) and isinstance(D, Sequential)):
        return None
    return D.layout_of_x(shape) if G.makes_pictures else None
