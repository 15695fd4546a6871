"""The phases of a Winograd convolution, the s x s pixels of a cell, and which of its t*t products each takes part in.

Along an axis, phase a has the taps a, a + s, a + 2s ... of the kernel. Of k5 s2 the even phase has three, the odd one
two, which need a point less: those of three taps but the last before infinity (toom.POINTS). So of the t*t products,
those with that point for rows go without the phases (1, b), those with it for columns without (a, 1): 121 of 144 remain
for tiles of 4 x 4, 49 of 64 for tiles of 2 x 2. Depth holds the phases in an order in which those of any product stand
side by side. The phases of other kernels are alike, and are one group here. docs/convolution.md, section 6.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from gpunet.backend.arrays import Array, array_module

ALL = slice(None)
Index = slice | list[int]


class Phases(NamedTuple):
    """Phases with equally many taps: where they are among products, cells of a tile, pixels of a cell and in depth."""

    few: tuple[int, int] = (0, 0)  # taps less than r, down and across
    points: Index = ALL  # of t*t products
    cells: Index = ALL  # of t*t cells that a tile reads
    rows: slice = ALL
    columns: slice = ALL
    pixels: slice = ALL  # row * s + column
    place: slice = ALL  # in depth, of s*s


def fewer_taps(kernel: int, stride: int) -> bool:
    """Return whether odd phases have a tap less, and three-tap kernels serve both: k5 s2. k3 s2 would save little."""
    return (kernel, stride) == (5, 2)


@functools.cache
def groups_of(t: int, few: bool) -> tuple[Phases, ...]:
    """Return the groups of phases in the order of depth; few: whether odd phases have a tap less."""
    order = enumerate([(0, 1), (0, 0), (1, 0), (1, 1)])
    return tuple(_phase(t, *phase) for phase in order) if few else (Phases(),)


def _phase(t: int, place: int, few: tuple[int, int]) -> Phases:
    (a, b), whole, without_last = few, list(range(t)), [point for point in range(t) if point != t - 2]
    down, across = (without_last if less else whole for less in few)
    return Phases(
        few,
        points=[p * t + q for p in down for q in across],
        cells=[i * t + j for i in range(t - a) for j in range(t - b)],
        rows=slice(a, a + 1),
        columns=slice(b, b + 1),
        pixels=slice(2 * a + b, 2 * a + b + 1),
        place=slice(place, place + 1),
    )


@functools.cache
def spans_of(t: int, c: int, few: bool) -> tuple[slice, ...] | None:
    """Return, for each of the t*t products, the part of depth (4 phases of c channels) that it takes; None: all."""
    if not few:
        return None
    last = t - 2
    return tuple(
        slice(c if q == last else 0, (2 if p == last else 3 if q == last else 4) * c)
        for p in range(t)
        for q in range(t)
    )


def multiply_into(target: Array, key: tuple, matrix: Array, operand: Array) -> None:
    """target[key] = matrix @ operand; a slice as first index says that target[key] is one block: no copy is made."""
    if isinstance(key[0], slice):
        array_module(target).matmul(matrix, operand, out=target[key].reshape(len(matrix), -1))
    else:
        shape = len(matrix), *target[0][key[1:]].shape
        target[key] = (matrix @ operand).reshape(shape)
