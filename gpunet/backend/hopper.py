"""Convolution on the tensor cores of Hopper GPUs: launches of kernels/conv2d_wgmma/, which no GPU has run yet.

They compute what tensor_cores.py does, in bf16 and fp16, and run only where the user asked for them, use_conv("wgmma").
`takes` says which convolutions they serve; the others, and all other precisions, stay with tensor_cores.py. Before the
first one runs, `check` compares both on small convolutions of whole numbers, whose sums are exact: they must be equal.

A product is cut as there, into tiles and splits of K. But blocks stay: there is one for each multiprocessor, and it
takes one piece of work after another.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.backend import choices, tensor_cores
from gpunet.backend.cuts import Plan, Tile
from gpunet.backend.devices import Array, to_device, written
from gpunet.backend.factors import Factor, factor
from gpunet.backend.launches import address, empty
from gpunet.backend.sizes import Sizes, conv_sizes, require_fit
from gpunet.backend.tensor_cores import NOTHING, After, room_for_splits
from gpunet.backend.tensor_maps import OFFSETS, SIDE, Im2colMap, TiledMap, encoded

PASSES = ("forward", "input_grad", "weight_grad")
KNOWN = ("slope", "mask", "rounds", "norm")  # fields of After; `norm` is left undone, as a caller has to expect
ROWS, THREADS = 256, 384  # of a block; squares.cuh, conv2d.cuh
WIDE, NARROW = Tile("128", ROWS, 128, THREADS), Tile("64", ROWS, 64, THREADS)
STAGES, ALIGNMENT = 4, 1024  # bytes
BLOCKS = 120  # pieces of work that occupy a large GPU
SHORTEST = 8  # steps of 64 k's, at least, that a split gets
DEVICE = "cuda"  # a test plays it on the CPU
LEAST = 64  # channels: with fewer, a square would be mostly empty

# ---- which convolutions ---------------------------------------------------------------------------------------------


def takes(which: str, g: Sizes, precision: str, after: After = NOTHING) -> bool:
    """Return whether these kernels compute a pass, a name of PASSES, of this convolution: the user's choice allows it.

    The first time it does, both kinds of kernels are compared (`check`), which may raise RuntimeError.
    """
    if not (choices.wgmma() and suits(which, g, precision) and _known(after)):
        return False
    check(precision)
    return True


def suits(which: str, g: Sizes, precision: str) -> bool:
    """Return whether these kernels could compute a pass of this convolution, and profitably."""
    suitable = precision in choices.OF_WGMMA and is_wide(g.weight_shape) and g.n > 0
    return suitable and not map_of_left(which, g).problem() and _offsets(g)


def is_wide(weight: tuple[int, ...]) -> bool:
    """Return whether a convolution with a weight (KH, KW, C, F) has channels enough; the rest concerns oddities."""
    return tensor_cores.takes(weight) and min(weight[2:]) >= LEAST


def _known(after: After) -> bool:
    """Return whether all that `after` asks for is known here."""
    return all(name in KNOWN or getattr(after, name) == getattr(NOTHING, name) for name in after._fields)


def _offsets(g: Sizes) -> bool:
    """Return whether the TMA reaches every tap from its pixel, in all passes."""
    axes = (g.kh, g.sh, g.h, g.top), (g.kw, g.sw, g.w, g.left)
    furthest = [(min(s, size) - 1 + pad) // s + -(-k // s) - 1 for k, s, size, pad in axes]  # of an input gradient
    return all(offset in OFFSETS for offset in (g.kh - 1, g.kw - 1, *furthest))


# ---- the factors as the TMA sees them -------------------------------------------------------------------------------


def map_of_left(which: str, g: Sizes) -> Im2colMap:
    """Return the map of the left factor: x, or dy for the input gradient."""
    if which != "input_grad":
        return Im2colMap(g.x_shape, (-g.top, -g.left), (g.oh, g.ow), (g.sh, g.sw))
    above = (1 - -(-g.kh // g.sh), 1 - -(-g.kw // g.sw))  # squares.cuh, InputGrad: taps reach up and to the left
    return Im2colMap(g.y_shape, above, (-(-g.h // g.sh), -(-g.w // g.sw)), (1, 1))


def map_of_right(which: str, g: Sizes) -> TiledMap:
    """Return the map of the right factor: the weight, a plane for each tap; or dy for the weight gradient."""
    return TiledMap((1, g.n * g.oh * g.ow, g.f) if which == "weight_grad" else (g.kh * g.kw, g.c, g.f))


# ---- the three passes -----------------------------------------------------------------------------------------------
# `cut` and `blocks` are for tests and for `check`: what is usual is chosen by itself.


def conv2d(
    x: Array,
    weight: Array,
    g: Sizes,
    precision: str,
    bias: Array | None = None,
    after: After = NOTHING,
    cut: Plan | None = None,
    blocks: int = 0,
) -> Array | Factor:
    """Return what tensor_cores.conv2d does."""
    y = after.room(x, g.y_shape, precision)
    require_fit(g, x, weight, y)
    _launch("forward", g, precision, (x, weight), after.pointers(y), [bias, after.mask, after.slope], cut, blocks)
    return after.handed(y, precision)


def conv2d_input_grad(
    dy: Array,
    weight: Array,
    g: Sizes,
    precision: str,
    bias: Array | None = None,
    after: After = NOTHING,
    cut: Plan | None = None,
    blocks: int = 0,
) -> Array | Factor:
    """Return what tensor_cores.conv2d_input_grad does."""
    dx = after.room(dy, g.x_shape, precision)
    require_fit(g, dx, weight, dy)
    _launch("input_grad", g, precision, (dy, weight), after.pointers(dx), [bias, after.mask, after.slope], cut, blocks)
    return after.handed(dx, precision)


def conv2d_weight_grad(
    x: Array,
    dy: Array,
    g: Sizes,
    precision: str,
    out: Array | None = None,
    cut: Plan | None = None,
    blocks: int = 0,
) -> Array:
    """Return what tensor_cores.conv2d_weight_grad does."""
    fits = out is not None and address(out) % tensor_cores.PAIR == 0
    dweight = out if fits else empty(x, *g.weight_shape, dtype="float32")
    require_fit(g, x, dweight, dy)
    _launch("weight_grad", g, precision, (x, dy), [dweight], [], cut, blocks)
    return written(dweight, out)


def rows_of(which: str, g: Sizes) -> tuple[int, int, int]:
    """Return the phases of a pass, and M and N of each product, as squares.cuh has them."""
    if which == "forward":
        return 1, g.n * g.oh * g.ow, g.f
    if which == "weight_grad":
        return 1, g.kh * g.kw * -(-g.c // SIDE) * SIDE, g.f
    return min(g.sh, g.h) * min(g.sw, g.w), g.n * -(-g.h // g.sh) * -(-g.w // g.sw), g.c


def steps_of(which: str, g: Sizes) -> int:
    """Return the most steps of 64 k's that a sum has."""
    if which == "forward":
        return g.kh * g.kw * -(-g.c // SIDE)
    if which == "weight_grad":
        return -(-g.n * g.oh * g.ow // SIDE)
    return -(-g.kh // g.sh) * -(-g.kw // g.sw) * -(-g.f // SIDE)


@functools.cache
def plan(which: str, g: Sizes) -> Plan:
    """Return the cut of a pass. It depends on the sizes alone: so the numbers are the same on every GPU."""
    phases, m, n = rows_of(which, g)
    tile = WIDE if n > NARROW.columns else NARROW
    down, across = tile.grid(m, n, phases)
    return Plan(tile, max(1, min(-(-BLOCKS // (down * across)), steps_of(which, g) // SHORTEST)))


def _launch(
    which: str,
    g: Sizes,
    precision: str,
    factors: tuple[Array, Array],
    results: list[Array | None],
    after: list[Any],
    cut: Plan | None,
    blocks: int,
) -> None:
    """Start a kernel."""
    cut = cut or plan(which, g)
    tile, splits = cut
    phases, m, n = rows_of(which, g)
    down, across = tile.grid(m, n, phases)
    split = room_for_splits(factors[0], cut, down * across)
    maps: list[Im2colMap | TiledMap] = [map_of_left(which, g), map_of_right(which, g)]
    made = [encoded(each, address(array), precision) for each, array in zip(maps, factors, strict=True)]
    grid = min(down * across * splits, blocks or _multiprocessors(_device()))
    shared = STAGES * (tile.rows + tile.columns) * SIDE * 2 + ALIGNMENT
    entry = f"conv2d_wgmma/conv2d_{precision}.conv2d_{which}_{tile.name}"
    kernels.launch(entry, grid, tile.threads, [*results, *made, *after, *split, *g, splits], shared)


def _device() -> int:
    import cupy

    return cupy.cuda.runtime.getDevice()


@functools.cache
def _multiprocessors(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).attributes["MultiProcessorCount"])


# ---- the check at first use -----------------------------------------------------------------------------------------

# Uneven in every way, so that nothing can be exchanged unnoticed. Squares are not full along C, F and M, sums have more
# steps than the ring has stages, and some blocks take several pieces of work.
SMALL = conv_sizes((3, 13, 10), (4, 3, 72, 136), (2, 1), ((1, 2), (2, 0)))
CUTS = [(Plan(WIDE, 1), 0), (Plan(NARROW, 3), 2)]


def check(precision: str) -> str:
    """Compare all passes with those of tensor_cores.py, once in a process for each GPU; return a line that says so.

    Raises RuntimeError where they differ, or where a launch fails.
    """
    return _check(precision, _device())


@functools.cache
def _check(precision: str, device: int) -> str:
    try:
        found = [_difference(which, precision, *cut) for which in PASSES for cut in CUTS]
    except Exception as error:  # CuPy's, of a kernel that does not compile, load or end: each has a class of its own
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise RuntimeError(f"wgmma: {text}: choose another convolution") from error
    wrong = "; ".join(filter(None, found))
    if wrong:
        raise RuntimeError(f"wgmma: got {wrong}, expected the sums that mma gives: choose another convolution")
    line = f"wgmma: the kernels for Hopper GPUs agree with those of mma in {precision}, in all three passes"
    logging.getLogger("gpunet").info(line)
    return line


def _difference(which: str, precision: str, cut: Plan, blocks: int) -> str:
    """Return how both kinds of kernels differ on a pass of whole numbers; an empty text where they agree."""
    rng = np.random.default_rng(3)
    shapes = SMALL.x_shape, SMALL.weight_shape, SMALL.y_shape
    x, weight, dy = (factor(to_device(rng.integers(-3, 4, s).astype("float32"), DEVICE), precision) for s in shapes)
    pair = {"forward": (x, weight), "input_grad": (dy, weight), "weight_grad": (x, dy)}[which]
    name, more = "conv2d" if which == "forward" else f"conv2d_{which}", {}
    if which != "weight_grad":
        numbers = rng.integers(-9, 10, SMALL.f if which == "forward" else SMALL.c).astype("float32")
        more = {"bias": to_device(numbers, DEVICE), "after": After(0.5)}
    wanted = getattr(tensor_cores, name)(*pair, SMALL, precision, **more)
    most = float(abs(wanted - globals()[name](*pair, SMALL, precision, cut=cut, blocks=blocks, **more)).max())
    if most == 0:
        return ""
    return f"{which} off by up to {most:g} (tiles of {cut.tile.columns} columns, {cut.splits} splits)"
