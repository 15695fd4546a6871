"""The pictures between G and D: real ones and G's as one batch, in memory as D's first layer takes them.

Where that is cells (gpunet/backend/cells.py: on tensor cores), nobody copies pictures: G's last layer writes its own as
cells, and real ones, which are bytes until then, in front of them; D hands the gradient back to G as cells. Everywhere
else they are float32 arrays, and `join` puts both halves together: where D sees pictures changed (--augment,
--instance-noise), where a penalty needs them, where D begins with the labels, and on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dcgan.augment import View
from gpunet import backend
from gpunet.backend.cells import Bytes, Cells, Layout, Room, new_cells
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array
from gpunet.layers import Layer, Sequential


def both(G: Layer, D: Layer, real: Array | Bytes, z: Array, see: View, kept: bool = False) -> tuple[Any, Any]:
    """Return G's pictures for z (N, H, W, C), and what D sees: the real ones and, behind them, G's (2 N, H, W, C).

    kept: the caller needs what D sees as an array.
    """
    layout = None if kept else layout_between(G, D, see, real.shape)
    if layout is None:
        fake = G.forward(z)
        return fake, see(backend.join(real.real() if isinstance(real, Bytes) else real, fake), batches=2)
    room = Room(new_cells(z, 2 * real.shape[0], layout), real)
    return _drawn(G, z, room), room.joined


def fake_for(G: Layer, D: Layer, z: Array, see: View, shape: tuple[int, ...]) -> Any:
    """Return G's pictures for z, of a shape (N, H, W, C), as D's first layer takes them."""
    layout = layout_between(G, D, see, shape)
    return G.forward(z) if layout is None else _drawn(G, z, Room(new_cells(z, shape[0], layout)))


def _drawn(G: Any, z: Array, room: Room) -> Cells:
    with G.writing_into(room):
        G.forward(z)
    return room.made


@contextlib.contextmanager
def handing_back(D: Layer, fake: Any) -> Iterator[None]:
    """Within the block D's backward returns its gradient as cells if it has seen G's pictures as cells.

    Where both networks cut pictures into the same cells, D takes it back through G's tanh in the same launch.
    """
    with D.handing_cells(fake.tanh) if isinstance(fake, Cells) else contextlib.nullcontext():  # type: ignore[attr-defined]
        yield


def layout_between(G: Layer, D: Layer, see: View, shape: tuple[int, ...]) -> Layout | None:
    """Return the layout of cells in which pictures (N, H, W, C) go from G to D, None if they go as arrays."""
    if not (fused() and see.changes_nothing and isinstance(G, Sequential) and isinstance(D, Sequential)):
        return None
    return D.layout_of_x(shape) if G.makes_pictures else None
