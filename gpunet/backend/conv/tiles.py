"""How a Winograd convolution cuts an image into tiles, and how the pixels of a cell share its products.

A cell is a square of s x s pixels, s being the stride. A tile of m x m outputs reads t x t cells, t = m + r - 1, where
r is the number of taps per axis; neighbouring tiles overlap by r - 1 cells.

A phase is a pixel's row and column within its cell, (a, b) with a, b < s. Along an axis, phase a meets the taps a,
a + s, a + 2s ... of the kernel. With a 5x5 kernel and stride 2, even pixels meet 3 taps and odd pixels 2. Three taps
need t points (toom.py); two taps need t - 1, all but point t - 2. So product (p, q) of the t*t products leaves out the
odd rows if p == t - 2, and the odd columns if q == t - 2.

    Example: tiles of 4x4 outputs, t = 6. The phase (0, 0) takes part in all 36 products, (0, 1) and (1, 0) in 30,
    (1, 1) in 25: 121 of 4 * 36 = 144. With tiles of 2x2, t = 4: 49 of 64.

Depth, the axis that the products sum over, holds the phases in the order (0, 1), (0, 0), (1, 0), (1, 1): the phases of
any one product then stand side by side, and are one slice. With kernels other than k5 s2 all phases have equally many
taps, and are one group here. docs/convolution.md derives all this in section 6.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

from gpunet.backend.conv.patches import framed
from gpunet.backend.conv.toom import rectangle
from gpunet.backend.devices import Array, array_module, device_of, to_device
from gpunet.backend.sizes import Sizes
from gpunet.backend.threads import blocks

TRANSFORMED = 128 * 1024  # numbers of a transform's operand made at a time and thread
ALL = slice(None)
Index = slice | list[int]


class Phases(NamedTuple):
    """A group of phases with equally many taps: where they stand among products, cells, pixels and in depth."""

    fewer: tuple[int, int] = (0, 0)  # taps less than r, down and across
    points: Index = ALL  # among the t*t products
    cells: Index = ALL  # among the t*t cells that a tile reads
    rows: slice = ALL  # among the s rows of a cell
    columns: slice = ALL  # among the s columns of a cell
    pixels: slice = ALL  # among the s*s pixels of a cell, row * s + column
    place: slice = ALL  # among the s*s places of depth


def fewer_taps(kernel: int, stride: int) -> bool:
    """Return whether odd phases have a tap less, and three-tap kernels serve both: k5 s2. k3 s2 would save little."""
    return (kernel, stride) == (5, 2)


@functools.cache
def groups_of(t: int, odd_have_fewer: bool) -> tuple[Phases, ...]:
    """Return the groups of phases in the order of depth."""
    order = enumerate([(0, 1), (0, 0), (1, 0), (1, 1)])
    return tuple(_phase(t, *phase) for phase in order) if odd_have_fewer else (Phases(),)


def _phase(t: int, place: int, phase: tuple[int, int]) -> Phases:
    """Return the group of one phase (a, b) of a 2x2 cell, which has a taps less down and b less across."""
    (a, b), whole, without_last = phase, list(range(t)), [point for point in range(t) if point != t - 2]
    down, across = (without_last if odd else whole for odd in phase)
    return Phases(
        fewer=phase,
        points=[p * t + q for p in down for q in across],
        cells=[i * t + j for i in range(t - a) for j in range(t - b)],
        rows=slice(a, a + 1),
        columns=slice(b, b + 1),
        pixels=slice(2 * a + b, 2 * a + b + 1),
        place=slice(place, place + 1),
    )


@functools.cache
def spans_of(t: int, c: int, odd_have_fewer: bool) -> tuple[slice, ...] | None:
    """Return, for each of the t*t products, the part of depth (4 phases of c channels) that it takes; None: all.

    Product (p, q) leaves out places 2 and 3 (odd rows) where p is the last point, and places 0 and 3 (odd columns)
    where q is.
    """
    if not odd_have_fewer:
        return None
    last = t - 2
    return tuple(
        slice(c if q == last else 0, (2 if p == last else 3 if q == last else 4) * c)
        for p in range(t)
        for q in range(t)
    )


class Tiling:
    """The sizes of one convolution in tiles of m x m outputs: made once, shared by the three passes.

    r taps per axis, t = m + r - 1 points; TH x TW tiles cover the output; depth is K = s*s*C.
    Raises ValueError where kernel or stride is not square.
    """

    def __init__(self, sizes: Sizes, m: int) -> None:
        g = sizes
        if g.kh != g.kw or g.sh != g.sw:
            raise ValueError(
                f"got kernel {g.kh, g.kw} and stride {g.sh, g.sw}, expected square ones: use the direct convolution"
            )
        self.m, self.s, self.k, self.c = m, g.sh, g.kh, g.c
        self.r = -(-self.k // self.s)
        self.t = self.m + self.r - 1
        self.hw, self.top_left, self.out = (g.h, g.w), (g.top, g.left), (g.oh, g.ow)
        self.tiles = -(-g.oh // m), -(-g.ow // m)  # (TH, TW)
        self.cells = tuple(m * tiles + self.r - 1 for tiles in self.tiles)  # that the tiles read, down and across
        self.depth = self.s * self.s * g.c
        self.odd_have_fewer = fewer_taps(self.k, self.s)
        self.phases = groups_of(self.t, self.odd_have_fewer)
        self.spans = spans_of(self.t, g.c, self.odd_have_fewer)

    def image_blocks(self, n: int, channels: int, device: str) -> list[slice]:
        """Cut n images for a transform over `channels` numbers per tile point."""
        return blocks(n, math.prod(self.tiles) * self.t**2 * channels, device, TRANSFORMED)

    def matrices(self, like: Array, phases: Phases | None = None) -> list[Array]:
        """Return A x A, G x G and B x B for all phases or for some, on the device and with the dtype of an array."""
        down, across = phases.fewer if phases else (0, 0)
        taps = self.r - down, self.r - across
        return [to_device(matrix, device_of(like)) for matrix in rectangle(self.m, taps, like.dtype.name)]


def padded_cells(x: Array, tiling: Tiling) -> Array:
    """Return x with zeros around it, or cut, so that it holds the cells that the tiles read: (n, >=CH*s, >=CW*s, C)."""
    down, across = tiling.cells
    return framed(x, (down * tiling.s, across * tiling.s), tiling.top_left)


def tile_patches(padded: Array, tiling: Tiling) -> Array:
    """View the overlapping tiles of t x t cells as (t, t, n, TH, TW, s, s, C); no number is copied."""
    t, m, s, (th, tw) = tiling.t, tiling.m, tiling.s, tiling.tiles
    image, row, pixel, channel = padded.strides
    shape = (t, t, padded.shape[0], th, tw, s, s, tiling.c)
    strides = (s * row, s * pixel, image, m * s * row, m * s * pixel, row, pixel, channel)
    return array_module(padded).lib.stride_tricks.as_strided(padded, shape, strides)


def add_tiles(patches: Array, tiling: Tiling) -> Array:
    """The adjoint of `tile_patches`: add tiles (t, t, n, TH, TW, s, s, C) into the pixels (n, height, width, C).

    A tile's first m x m cells belong to it alone; the cells it reaches beyond them are its neighbours' first ones. The
    result has a few rows and columns behind the last cell.
    """
    t, m, s, (th, tw) = tiling.t, tiling.m, tiling.s, tiling.tiles
    n, rows, columns = patches.shape[2], th + -(-t // m) - 1, tw + -(-t // m) - 1  # with one beyond the last
    cells = array_module(patches).empty((n, rows, m, s, columns, m, s, tiling.c), patches.dtype)
    cells[:, th:], cells[:, :, :, :, tw:] = 0, 0
    for i, j in itertools.product(range(0, t, m), repeat=2):
        part = patches[i : i + m, j : j + m].transpose(2, 3, 0, 5, 4, 1, 6, 7)  # (n, TH, <=m, s, TW, <=m, s, C)
        down, across = slice(i // m, i // m + th), slice(j // m, j // m + tw)
        target = cells[:, down, : part.shape[2], :, across, : part.shape[5]]
        if i == j == 0:
            target[...] = part
        else:
            target += part
    return cells.reshape(n, rows * m * s, columns * m * s, tiling.c)
