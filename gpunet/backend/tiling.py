"""How an image is cut into the overlapping tiles of a Winograd convolution: sizes, and two views of the input."""

from __future__ import annotations

import itertools
import math

from gpunet.backend.arrays import Array, array_module, device_of, to_device
from gpunet.backend.parallel import blocks
from gpunet.backend.patches import Pads, Pair, output_size
from gpunet.backend.phases import Phases, fewer_taps, groups_of, spans_of
from gpunet.backend.toom import rectangle
from gpunet.kernels.memory import empty

SKEW = 80  # planes begin this many numbers beyond a multiple of 1024: five cache lines of float32
TRANSFORMED = 128 * 1024  # numbers of a transform's operand made at a time and thread


class Tiling:
    """The sizes of one convolution in tiles: made from shapes, shared by the three passes."""

    def __init__(self, hw: Pair, c: int, kernel: Pair, stride: Pair, pads: Pads, m: int) -> None:
        if kernel[0] != kernel[1] or stride[0] != stride[1]:
            raise ValueError(
                f"got kernel {kernel} and stride {stride}, expected square ones: use the direct convolution"
            )
        self.m, self.s, self.k, self.c = m, stride[0], kernel[0], c
        self.r = -(-self.k // self.s)
        self.t = self.m + self.r - 1
        self.hw, self.top_left = hw, (pads[0][0], pads[1][0])
        self.out = tuple(output_size(*axis) for axis in zip(hw, kernel, stride, pads, strict=True))
        self.tiles = tuple(-(-size // m) for size in self.out)  # (TH, TW)
        self.cells = tuple(m * tiles + self.r - 1 for tiles in self.tiles)  # cells of s x s pixels that they read
        self.depth = self.s * self.s * c  # K
        self.few = fewer_taps(self.k, self.s)
        self.phases, self.spans = groups_of(self.t, self.few), spans_of(self.t, c, self.few)

    def image_blocks(self, n: int, channels: int, device: str) -> list[slice]:
        """Cut n images for a transform over `channels` numbers per tile point."""
        return blocks(n, math.prod(self.tiles) * self.t**2 * channels, device, TRANSFORMED)

    def matrices(self, like: Array, phases: Phases | None = None) -> list[Array]:
        """Return A x A, G x G and B x B for all phases or for some, on the device and with the dtype of an array."""
        down, across = phases.few if phases else (0, 0)
        taps = self.r - down, self.r - across
        return [to_device(matrix, device_of(like)) for matrix in rectangle(self.m, taps, like.dtype.name)]


def padded_cells(x: Array, tiling: Tiling) -> Array:
    """Return x with zeros around it (or cut) so that it is exactly the cells the tiles read: (n, CH*s, CW*s, C)."""
    (h, w), (top, left), s = tiling.hw, tiling.top_left, tiling.s
    height, width = (cells * s for cells in tiling.cells)
    padded = array_module(x).zeros((x.shape[0], height, width, tiling.c), x.dtype)
    inside = padded[:, top : top + h, left : left + w]
    inside[...] = x[:, : inside.shape[1], : inside.shape[2]]
    return padded


def tile_patches(padded: Array, tiling: Tiling) -> Array:
    """View the overlapping tiles of t x t cells as (t, t, n, TH, TW, s, s, C); no number is copied."""
    t, m, s, (th, tw) = tiling.t, tiling.m, tiling.s, tiling.tiles
    image, row, pixel, channel = padded.strides
    shape = (t, t, padded.shape[0], th, tw, s, s, tiling.c)
    strides = (s * row, s * pixel, image, m * s * row, m * s * pixel, row, pixel, channel)
    return array_module(padded).lib.stride_tricks.as_strided(padded, shape, strides)


def add_tiles(patches: Array, tiling: Tiling) -> Array:
    """The adjoint of `tile_patches`: add tiles (t, t, n, TH, TW, s, s, C) into the pixels (n, height, width, C).

    A tile's first m x m cells are its own; what it reaches beyond them belongs to its neighbours. A few rows and
    columns behind the cells come with them.
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


def planes(count: int, rows: int, columns: int, like: Array) -> Array:
    """Return an empty array (count, rows, columns) whose planes do not begin a power of two apart.

    A transform writes one number into each plane; were they 2^k bytes apart, all would compete for the same few lines
    of a CPU's cache. `plane_buffer` gives the kernels the memory behind it.
    """
    size = rows * columns
    apart = size + (SKEW - size) % 1024
    return empty(like, count, apart)[:, :size].reshape(count, rows, columns)


def plane_buffer(array: Array) -> Array:
    """View an array of `planes` as (count, numbers from plane to plane), C-contiguous."""
    apart = array.strides[0] // array.itemsize
    shape, strides = (array.shape[0], apart), (array.strides[0], array.itemsize)
    return array_module(array).lib.stride_tricks.as_strided(array, shape, strides)
