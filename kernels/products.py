"""Stacks of matrix products on the CPU by products.cpp: what Winograd's convolutions spend their time in.

NumPy's matmul calls BLAS once per plane; this takes the whole stack as one piece of work.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.machine import workers

TILE = 64  # columns of c: the widest register tile on any machine
TASKS = 8  # per thread, at least, so that none waits long for the last


def products(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, spans: Sequence[slice] | None = None, axis: int = 0
) -> None:
    """out[p] = a[p] b[p]: (P, M, K) by (P, K, N) into (P, M, N), any distance from plane to plane.

    Either factor may be a transposed view. spans[p]: the part of M, K or N (axis 0, 1 or 2) that plane p is restricted
    to. Raises ValueError where a shape, a dtype or a stride is none that it takes.
    """
    (count, m, k), n = a.shape, b.shape[2]
    if b.shape[:2] != (count, k) or out.shape != (count, m, n) or not a.dtype == b.dtype == out.dtype:
        raise ValueError(f"got {a.shape} by {b.shape} into {out.shape}, {a.dtype}, {b.dtype}, {out.dtype}: no product")
    if not out.size or not k:
        out[...] = 0
        return
    pitch, *of_a_and_b = (*_strides(out), *_strides(a), *_strides(b))
    if pitch != n or of_a_and_b.pop(0) != 1:
        raise ValueError(f"got out with strides {out.strides}, expected C-contiguous planes")
    planes = (x.strides[0] // x.itemsize for x in (out, a, b))
    strides = (ctypes.c_longlong * 7)(*planes, *of_a_and_b)
    edges = [edge for span in spans or [] for edge in span.indices((m, k, n)[axis])[:2]]
    of_planes = (ctypes.c_int * len(edges))(*edges) if spans else None
    threads = workers()
    width = -(-n // (-(-TASKS * threads // count) * TILE)) * TILE  # of a task
    pointers = (x.ctypes.data_as(ctypes.c_void_p) for x in (out, a, b))
    multiply = cpu.functions_of("products.cpp", a.dtype.name).products
    multiply(*pointers, count, m, k, n, strides, of_planes, axis, width, threads)


def _strides(x: np.ndarray) -> tuple[int, int]:
    """Return how many numbers lie from row to row and from column to column, one of which must be 1.

    NumPy leaves the stride of an axis of length 1 open: it is settled so that it does no harm.
    """
    (_, rows, columns), (row, column) = x.shape, (stride // x.itemsize for stride in x.strides[1:])
    if columns == 1:
        row, column = (1, row) if row == 1 and rows > 1 else (row if rows > 1 else 1, 1)
    elif rows == 1:
        row = columns if column == 1 else 1
    if 1 not in (row, column):
        raise ValueError(f"got strides {x.strides}, expected rows or columns of numbers side by side")
    return row, column
