"""What batch norm needs of its neighbour's result, summed up in the launch that computes the result (the "epilogue").

Batch norm reads x once to sum over its rows, and once more to normalise; its backward pass does the same with dy and x.
A convolution on tensor cores has its result in registers, tile by tile. So it can add up each tile before it goes to
memory, and the first of the two passes needs no launch and no reading:

    Statistics   a convolution in front of batch norm: mean, var and rstd of its y, which is batch norm's x
    Gradients    a convolution behind batch norm: sum dz and sum dz x_hat of its dx, which is batch norm's dy

A batch norm says what it wants; its neighbour hands over `Summed`: the result, and the sums that go with it. What a
convolution can't sum up, because a tile would lie in two batches or because it runs elsewhere, comes as a plain array,
and batch norm sums by itself (batchnorm.py). kernels/conv2d_mma/norm.cuh does the work.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gpunet.backend.cuts import Tile
from gpunet.backend.devices import Array
from gpunet.backend.factors import Factor
from gpunet.backend.launches import address, arrivals, empty

PAIR = 8  # bytes of two float32 numbers, which a thread reads at once


class Summed:
    """A convolution's result for batch norm, y or dy, and what its launch has summed up.

    sums: mean, var and rstd, (C,) or (batches, C), or, of a gradient, dscale (C,), dshift (C,) and per_batch (batches,
    2, C).
    """

    def __init__(self, numbers: Array | Factor, sums: tuple[Array, Array, Array]) -> None:
        self.numbers, self.sums = numbers, sums


def taken_apart(result: Any) -> tuple[Any, dict[str, tuple]]:
    """Return the numbers of a result, and batch norm's arguments for the sums that come with it, if any do."""
    return (result.numbers, {"found": result.sums}) if isinstance(result, Summed) else (result, {})


class Statistics(NamedTuple):
    """What batch norm wants to know of its x: mean, biased var, rstd; and how it moves its averages."""

    running: tuple[Array, Array, float] | None  # averages to move: mean (C,), variance (C,), momentum
    channels: int
    batches: int
    eps: float

    def arguments(self, out: Array) -> tuple[tuple, list[Any]]:
        """Return the sums, which a kernel will fill, and its arguments from `batches` on."""
        found = empty(out, 3, self.batches, self.channels, dtype="float32")
        moved = self.running or (None, None, 0.0)
        sums = tuple(found if self.batches > 1 else found[:, 0])
        return sums, [self.batches, found, moved[0], moved[1], self.eps, moved[2], *[None] * 9, 1.0]

    def suits(self, precision: str) -> bool:
        """Return whether kernels of a precision can sum this up."""
        return True


class Gradients(NamedTuple):
    """What batch norm wants to know of its dy: with x, the statistics and all that x was normalised with."""

    x: Array | Factor
    mean: Array  # (C,) or (batches, C), as rstd
    rstd: Array
    scale: Array | None
    shift: Array | None
    slope: float
    out: tuple[Array | None, Array | None]  # arrays for dscale and dshift

    @property
    def channels(self) -> int:
        return self.mean.shape[-1]

    @property
    def batches(self) -> int:
        return self.mean.size // self.channels

    def arguments(self, out: Array) -> tuple[tuple, list[Any]]:
        """Return the sums, which a kernel will fill, and its arguments from `batches` on."""
        dscale, dshift = (empty(out, self.channels, dtype="float32") if a is None else a for a in self.out)
        per_batch = empty(out, self.batches, 2, self.channels, dtype="float32")
        x, stored = self.x, isinstance(self.x, Factor)
        pointers = [x.numbers, None] if stored else [None, x]
        given = [*pointers, self.mean, self.rstd, self.scale, self.shift, self.slope]
        sums = dscale, dshift, per_batch
        return sums, [self.batches, None, None, None, 0.0, 0.0, per_batch, dscale, dshift, *given]

    def suits(self, precision: str) -> bool:
        """Return whether kernels of a precision can sum this up: x is float32, or in the format of their factors."""
        if isinstance(self.x, Factor):
            return self.x.precision == precision
        return self.x.flags.c_contiguous and address(self.x) % PAIR == 0


UNUSED = [None, None, 1, None, None, None, 0.0, 0.0, *[None] * 9, 1.0]  # the kernels' arguments where nothing is summed


def asked(
    wanted: Statistics | Gradients | None, out: Array, precision: str, tile: Tile, m: int, n: int, phases: int = 1
) -> tuple[tuple | None, list[Any]]:
    """Return the sums that a launch will fill, None if none, and its arguments for them (NORM_PARAMETERS in norm.cuh).

    out: its result, `phases` times (M, N), in tiles.
    """
    if not (wanted and out.size and wanted.suits(precision) and _tiles_suit(wanted, out, tile, m, n, phases)):
        return None, UNUSED
    down, across = tile.grid(m, n, phases)
    parts, counters = empty(out, down, 2, n, dtype="float32"), arrivals(out, across)
    sums, more = wanted.arguments(out)
    return sums, [parts, counters, *more]


def with_sums(numbers: Array | Factor, sums: tuple | None) -> Array | Factor | Summed:
    """Return the numbers with their sums, if there are any."""
    return Summed(numbers, sums) if sums else numbers


def _tiles_suit(wanted: Statistics | Gradients, out: Array, tile: Tile, m: int, n: int, phases: int) -> bool:
    """Return whether every tile lies in one batch.

    Phases need equally many pixels. A batch of a single number per channel has no variance; batch norm refuses it.
    """
    rows = m // wanted.batches  # of a batch, in one phase
    whole = wanted.batches == 1 or (m % wanted.batches == 0 and rows % tile.rows == 0)
    return whole and out.size == phases * m * n and wanted.channels == n and rows * phases > 1
