"""Every matrix product, and which code computes it.

    matmul(a, b)            one large product                       (M, K) by (K, N) -> (M, N)
    matmul_in_task(a, b)    one product within a task of threads.run, which has one core
    matmul_stack(a, b)      a stack of products, between Winograd's transforms: (P, M, K) by (P, K, N) -> (P, M, N)

The reference takes NumPy's or CuPy's matmul, that is BLAS. The kernels take, by the first line that fits:

    GPU, or use_conv("tiled" | "mma")     tiled.py: our CUDA kernels. CuPy refuses cuBLAS while a graph is captured
    matmul         M or N < NARROW        BLAS, cut into pieces. Our tiles would be mostly empty
                   N >= WIDE              products.cpp. Its tasks are groups of columns, and here they are enough
                   M >= K                 products.cpp, the rows of a cut into PLANES planes: all cores have work
                   else                   products.cpp, the sums cut into PLANES planes, which are then added
    in a task      N < WIDE_IN_TASK or M < NARROW     BLAS
                   else                   products.cpp
    matmul_stack                          products.cpp, the whole stack as one piece of work

How a product is cut depends on its shape only, so the numbers are the same with any count of threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from gpunet.backend import choices, tiled
from gpunet.backend.columns import add_bias
from gpunet.backend.devices import Array, array_module, device_of, on_cuda, operation, written
from gpunet.backend.launches import empty, largest_divisor, planes
from gpunet.backend.threads import by_rows, run
from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.machine import workers

NARROW = 16  # rows or columns: below, BLAS is faster
WIDE = 512  # columns: from here on products.cpp has tasks enough
WIDE_IN_TASK = 64  # columns: from here on products.cpp is faster than BLAS on one core
PLANES = 16  # at most so many planes are cut from rows or sums
PIECES, PIECE = 16, 2**22  # BLAS gets at most so many pieces, of at least so many multiplications
TILE = 64  # columns: the widest register tile of products.cpp on any machine
TASKS = 8  # for each thread, at least, so that none waits long for the last

ROWS, DEPTH, COLUMNS = range(3)  # the axes M, K and N of a product
ALL = slice(None)


def takes_tiled(device: str, dtype: np.dtype) -> bool:
    """Return whether our tiled CUDA kernels compute products of this dtype on the device."""
    return device == "cuda" or choices.product(device, dtype) in ("tiled", "mma")


# ---- one large product ----------------------------------------------------------------------------------------------


@operation
def matmul(a: Array, b: Array, out: Array | None = None, bias: Array | None = None) -> Array:
    """Return a b + bias, in `out` if given: a (M, K), b (K, N), bias (N,); a or b may be a transposed view."""
    y = blas_in_pieces(a, b, out)
    if bias is not None:
        y += bias
    return y


@matmul.kernel
def matmul_kernel(a: Array, b: Array, out: Array | None = None, bias: Array | None = None) -> Array:
    if takes_tiled(device_of(a), a.dtype):
        return tiled.matmul(a, b, out, bias)
    y = _on_cpu(a, b, out)
    return y if bias is None else add_bias(y, bias)


def _on_cpu(a: np.ndarray, b: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    (m, k), n = a.shape, b.shape[1]
    if min(m, n) < NARROW or k < 2:
        return blas_in_pieces(a, b, out)
    y = out if out is not None and out.flags.c_contiguous else empty(a, m, n)
    if n >= WIDE:
        launch_products(a[None], b[None], y[None])
    elif m >= k:
        count = largest_divisor(m, PLANES)
        launch_products(a.reshape(count, -1, k), np.broadcast_to(b, (count, k, n)), y.reshape(count, -1, n))
    else:
        count = largest_divisor(k, PLANES)
        parts = empty(a, count, m, n)
        launch_products(a.reshape(m, count, -1).transpose(1, 0, 2), b.reshape(count, -1, n), parts)
        parts.sum(axis=0, out=y)
    return written(y, out)


def blas_in_pieces(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a b, in `out` if given, by BLAS: on the CPU pieces of its longer axis are the tasks of `run`."""
    xp, (rows, depth), columns = array_module(a), a.shape, b.shape[1]
    if on_cuda(a):
        return xp.matmul(a, b, out=out)
    y = xp.empty((rows, columns), a.dtype) if out is None else out
    if depth == 1:  # an outer product, which BLAS is slow at
        by_rows(lambda y, a: xp.multiply(a, b, out=y), y, a)
        return y
    pieces = min(PIECES, max(1, rows * columns * depth // PIECE))
    edges = [max(rows, columns) * i // pieces for i in range(pieces + 1)]
    cuts = [slice(start, end) for start, end in zip(edges, edges[1:], strict=False)]
    if rows >= columns:
        run(lambda cut: xp.matmul(a[cut], b, out=y[cut]), cuts)
    else:
        run(lambda cut: xp.matmul(a, b[:, cut], out=y[:, cut]), cuts)
    return y


# ---- one product within a task --------------------------------------------------------------------------------------


@operation
def matmul_in_task(a: Array, b: Array, out: Array | None = None) -> Array:
    """Return a b, in `out` if given, on the core of the task that asks: (M, K) by (K, N)."""
    return array_module(a).matmul(a, b, out=out)


@matmul_in_task.kernel
def matmul_in_task_kernel(a: Array, b: Array, out: Array | None = None) -> Array:
    if on_cuda(a):
        return tiled.matmul(a, b, out)
    if b.shape[1] < WIDE_IN_TASK or a.shape[0] < NARROW:
        return np.matmul(a, b, out=out)
    out = empty(a, a.shape[0], b.shape[1]) if out is None else out
    launch_products(a[None], b[None], out[None])
    return out


# ---- a stack of products --------------------------------------------------------------------------------------------


@operation
def matmul_stack(a: Array, b: Array, spans: Sequence[slice] | None = None, axis: int = DEPTH) -> Array:
    """Return the products a[p] b[p] as (P, M, N): a (P, M, K), b (P, K, N); either may be a transposed view.

    spans[p] is the part of an axis (ROWS: M, DEPTH: K or COLUMNS: N) that product p is restricted to. With ROWS and
    COLUMNS the numbers outside of the span are left as they are in memory, and mean nothing.
    """
    xp, count, columns = array_module(a), len(a), b.shape[2]
    out = planes(a, count, a.shape[1], columns)
    tasks = [(p, *_cut(spans, axis, p)) for p in range(count)]
    if spans is None and count % 2 and columns > 1:  # else an even number of threads would wait for the last product
        tasks[-1:] = [(count - 1, ALL, ALL, half) for half in (slice(columns // 2), slice(columns // 2, None))]

    def multiply(task: tuple[int, slice, slice, slice]) -> None:
        p, rows, depth, cols = task
        xp.matmul(a[p][rows, depth], b[p][depth, cols], out=out[p][rows, cols])

    run(multiply, tasks, device_of(a))
    return out


@matmul_stack.kernel
def matmul_stack_kernel(a: Array, b: Array, spans: Sequence[slice] | None = None, axis: int = DEPTH) -> Array:
    out = planes(a, a.shape[0], a.shape[1], b.shape[2])
    if not on_cuda(a):
        launch_products(a, b, out, spans, axis)
        return out
    for p in range(a.shape[0]):
        rows, depth, columns = _cut(spans, axis, p)
        out[p][rows, columns] = tiled.matmul(a[p][rows, depth], b[p][depth, columns])
    return out


def _cut(spans: Sequence[slice] | None, axis: int, p: int) -> list[slice]:
    """Return the rows, the depth and the columns that product p is restricted to."""
    return [spans[p] if spans and i == axis else ALL for i in (ROWS, DEPTH, COLUMNS)]


# ---- kernels/products.cpp -------------------------------------------------------------------------------------------


def launch_products(
    a: np.ndarray, b: np.ndarray, out: np.ndarray, spans: Sequence[slice] | None = None, axis: int = ROWS
) -> None:
    """Write a[p] b[p] into out[p]: (P, M, K) by (P, K, N) into (P, M, N); spans and axis as in `matmul_stack`.

    Planes may lie any distance apart, and a factor may be a transposed view.
    Raises ValueError where a shape, a dtype or a stride does not fit.
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
    from_plane_to_plane = (x.strides[0] // x.itemsize for x in (out, a, b))
    strides = (ctypes.c_longlong * 7)(*from_plane_to_plane, *of_a_and_b)
    edges = [edge for span in spans or [] for edge in span.indices((m, k, n)[axis])[:2]]
    of_planes = (ctypes.c_int * len(edges))(*edges) if spans else None
    threads = workers()
    width = -(-n // (-(-TASKS * threads // count) * TILE)) * TILE  # columns of a task
    pointers = (x.ctypes.data_as(ctypes.c_void_p) for x in (out, a, b))
    multiply = cpu.functions_of("products.cpp", a.dtype.name).products
    multiply(*pointers, count, m, k, n, strides, of_planes, axis, width, threads)


def _strides(x: np.ndarray) -> tuple[int, int]:
    """Return how many numbers lie from row to row and from column to column, one of which must be 1.

    NumPy may give any stride to an axis of length 1; such a stride is replaced by one that does no harm.
    """
    (_, rows, columns), (row, column) = x.shape, (stride // x.itemsize for stride in x.strides[1:])
    if columns == 1:
        row, column = (1, row) if row == 1 and rows > 1 else (row if rows > 1 else 1, 1)
    elif rows == 1:
        row = columns if column == 1 else 1
    if 1 not in (row, column):
        raise ValueError(f"got strides {x.strides}, expected rows or columns of numbers side by side")
    return row, column
