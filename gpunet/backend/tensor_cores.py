"""Convolution on tensor cores: launches of kernels/conv2d_mma/.

The three passes are matrix products as in tiled.py, out (M, N) = sum over K of left (M, K) right (K, N), in tiles and
splits of K. Their factors were rounded before (factors.py); sums are float32.

The kernels copy 16 bytes at a time and hold a mask of the taps. So they take channels that are multiples of 8 and up to
15 x 15 taps, which `takes` checks: all of a DCGAN's layers but the first and the last of each network.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from gpunet import kernels
from gpunet.backend.cuts import Plan, Tile, phases_of
from gpunet.backend.devices import Array, written
from gpunet.backend.epilogue import Gradients, Statistics, Summed, asked, with_sums
from gpunet.backend.factors import DTYPES, Factor
from gpunet.backend.launches import address, arrivals, empty
from gpunet.backend.sizes import Sizes, require_fit

CHANNELS = 8  # channels are a multiple of this: 16 bytes of 16-bit numbers
TAPS = 15  # at most, on each axis
LINE = 64  # bytes along K of a row of a tile
CHUNK = 16  # bytes that a thread copies at once
PAIR = 8  # bytes of two float32 numbers, which a thread writes at once
BLOCKS = 120  # occupy a large GPU: about one for each multiprocessor
SHORTEST = 16  # tiles along K, at least, that a split gets: else writing its part of the sum costs more than it saves

# ---- how a product is cut into tiles and splits ---------------------------------------------------------------------


# The tiles of kernels/conv2d_mma/shapes.cuh.
HUGE, WIDE = Tile("huge", 256, 128, 256), Tile("wide", 128, 128, 128)
TALL, SMALL = Tile("tall", 256, 64, 128), Tile("small", 64, 64, 128)


@functools.cache
def plan(m: int, n: int, depth: int, phases: int = 1) -> Plan:
    """Return the cut for `phases` products (M, N) whose sums have `depth` tiles along K.

    A tile of R x C reads M N K (1/R + 1/C) numbers of the factors: large tiles spare the memory, many blocks fill the
    GPU. So it is the largest tile that, with splits, still gives work to BLOCKS blocks. It depends on the sizes alone:
    the numbers that come out are the same on every GPU.
    """
    for tile in (HUGE, WIDE) if n > TALL.columns else (TALL,):
        down, across = tile.grid(m, n, phases)
        splits = max(1, min(-(-BLOCKS // max(1, down * across)), depth // SHORTEST))
        if down * across * splits >= BLOCKS and m >= tile.rows:
            return Plan(tile, splits)
    down, across = SMALL.grid(m, n, phases)
    return Plan(SMALL, max(1, min(BLOCKS // max(1, down * across), depth // SHORTEST)))


def takes(weight: tuple[int, ...]) -> bool:
    """Return whether the kernels take a convolution with a weight of shape (KH, KW, C, F)."""
    kh, kw, c, f = weight
    return not (c % CHANNELS or f % CHANNELS) and max(kh, kw) <= TAPS


class After(NamedTuple):
    """What is done with the sums of `conv2d` or `conv2d_input_grad` in the same launch."""

    slope: float = 1.0  # y = leaky_relu(sum + bias, slope); with a mask: its derivative, where y = mask was positive
    mask: Array | None = None  # a factor's numbers, of the result's shape
    rounds: bool = False  # the result is a Factor
    norm: Statistics | Gradients | None = None  # sums for batch norm: the result is then Summed where they can be had

    def room(self, like: Array, shape: tuple[int, ...], precision: str) -> Array:
        """Return an array for the result, on the device of another array."""
        return empty(like, *shape, dtype=DTYPES[precision] if self.rounds else "float32")

    def pointers(self, out: Array) -> list[Array | None]:
        """Return the two arguments of a kernel that take the result: as float32, and rounded; one of them is None."""
        return [None, out] if self.rounds else [out, None]

    def handed(self, out: Array, precision: str) -> Array | Factor:
        """Return the result as layers hand it on."""
        return Factor(out, precision, self.slope) if self.rounds else out


NOTHING = After()

# ---- the three passes -----------------------------------------------------------------------------------------------
# `cut` is for tests: the plan that is usual is chosen by itself.


def conv2d(
    x: Array,
    weight: Array,
    g: Sizes,
    precision: str,
    bias: Array | None = None,
    after: After = NOTHING,
    cut: Plan | None = None,
) -> Array | Factor | Summed:
    """Return y (N, OH, OW, F), float32, of the factors x (N, H, W, C) and weight (KH, KW, C, F), plus bias (F,)."""
    y = after.room(x, g.y_shape, precision)
    require_fit(g, x, weight, y)
    m, depth = g.n * g.oh * g.ow, g.kh * g.kw * _tiles(g.c, x)
    cut = cut or plan(m, g.f, depth)
    product = Product(cut, m, g.f)
    if cut.tile is TALL:
        after = after._replace(norm=None)  # its kernel has no registers for sums
    return _with_after(f"forward_{precision}.conv2d_forward", product, y, (x, weight, bias), after, g, precision)


def conv2d_input_grad(
    dy: Array,
    weight: Array,
    g: Sizes,
    precision: str,
    bias: Array | None = None,
    after: After = NOTHING,
    cut: Plan | None = None,
) -> Array | Factor | Summed:
    """Return dx (N, H, W, C), float32, of the factors dy (N, OH, OW, F) and weight (KH, KW, C, F), plus bias (C,)."""
    dx = after.room(dy, g.x_shape, precision)
    require_fit(g, dx, weight, dy)
    phases, m, taps = phases_of(g)
    cut = cut or plan(m, g.c, taps * _tiles(g.f, dy), phases)
    product = Product(cut, m, g.c, phases)
    entry = f"input_grad_{precision}.conv2d_input_grad"
    return _with_after(entry, product, dx, (dy, weight, bias), after, g, precision)


def conv2d_weight_grad(
    x: Array, dy: Array, g: Sizes, precision: str, out: Array | None = None, cut: Plan | None = None
) -> Array:
    """Return dweight (KH, KW, C, F), float32, in `out` if given, of factors x (N, H, W, C) and dy (N, OH, OW, F).

    The kernels write two numbers at once. `out` may begin between two of a larger array: then it gets a copy.
    """
    fits = out is not None and address(out) % PAIR == 0
    dweight = out if fits else empty(x, *g.weight_shape, dtype="float32")
    require_fit(g, x, dweight, dy)
    m, depth = g.kh * g.kw * g.c, _tiles(g.n * g.oh * g.ow, x)
    cut = cut or plan(m, g.f, depth)
    launch(f"weight_grad_{precision}.conv2d_weight_grad", Product(cut, m, g.f), dweight, [dweight, x, dy], g)
    return written(dweight, out)


def _tiles(numbers: int, factor: Array) -> int:
    """Return how many tiles along K so many numbers of a factor fill."""
    return -(-numbers * factor.itemsize // LINE)


class Product(NamedTuple):
    """The products of a launch: `phases` times (M, N), and how they are cut."""

    cut: Plan
    m: int
    n: int
    phases: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        return self.cut.tile.grid(self.m, self.n, self.phases)


def _with_after(
    entry: str, product: Product, out: Array, given: tuple, after: After, g: Sizes, precision: str
) -> Array | Factor | Summed:
    """Launch a forward or input gradient kernel; given: left, right, bias. Return `out` as `after` says."""
    tile, (_, m, n, phases) = product.cut.tile, product
    sums, more = asked(after.norm, out, precision, tile, m, n, phases)
    launch(entry, product, out, [*after.pointers(out), *given, after.mask, after.slope], g, more)
    return with_sums(after.handed(out, precision), sums)


def launch(
    entry: str, product: Product, out: Array, arguments: list[Any], sizes: Sizes, more: Sequence[Any] = ()
) -> None:
    """Start a kernel of kernels/conv2d_mma/; more: its arguments behind the number of splits."""
    if not out.size:
        return
    if not sizes.n:  # no images: a sum of nothing
        out[...] = 0
        return
    tile, splits = product.cut
    down, across = product.grid
    arguments = [*arguments, *room_for_splits(out, product.cut, down * across), *sizes, splits, *more]
    shared = shared_bytes(entry, tile)
    kernels.launch(f"conv2d_mma/{entry}_{tile.name}", (down, across, splits), tile.threads, arguments, shared)


def room_for_splits(like: Array, cut: Plan, tiles: int) -> tuple[Array | None, Array | None]:
    """Return the parts and counters of so many tiles (splits.cuh), None for both where sums are not split."""
    tile, splits = cut
    if splits == 1:
        return None, None
    places = -(-splits // 2)  # of two splits, one leaves its sums in memory
    parts = empty(like, tiles * places * tile.rows * tile.columns, dtype="float32")
    return parts, arrivals(like, tiles * splits, "pairs")


def shared_bytes(entry: str, tile: Tile) -> int:
    """Return the bytes of the ring of stages in loop.cuh: four stages of a tap, or three of two taps (strips.cuh)."""
    if "weight_grad" in entry:
        return 4 * LINE * (tile.rows + tile.columns)
    lines = tile.rows + tile.threads * CHUNK // LINE + 2  # Planes in tiles.cuh
    return 3 * LINE * (lines + 2 * tile.columns)
