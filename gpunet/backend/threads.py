"""Threads for NumPy code: tasks run on all cores, and arrays are cut into blocks that fit a core's cache.

NumPy releases the interpreter's lock inside its loops, so plain threads suffice. Two rules keep results the same on any
number of cores: how work is cut depends on shapes only, and partial results are combined in the order of the cut.
CuPy arrays are not cut: the GPU does its own scheduling.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from gpunet import kernels
from gpunet.backend.devices import Array, array_module, device_of

BLOCK = 128 * 1024  # elements: half a megabyte of float32, so that a few operands of a block stay in a core's L2 cache


def thread_count() -> int:
    """Return how many threads tasks run on (kernels.threads says how that is found)."""
    return kernels.threads()


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="gpunet", initializer=kernels.run_alone)


@functools.cache
def _blas() -> Any:
    """Return the controller of BLAS's threads. Without threadpoolctl it limits nothing, and a warning says so."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError as error:
        text = "BLAS keeps all its threads, which is slower on a CPU (%s): pip install threadpoolctl"
        logging.getLogger("gpunet").warning(text, error)
        return _Unlimited()
    return ThreadpoolController().select(user_api="blas")


class _Unlimited:
    """Takes the place of the controller and limits nothing."""

    def limit(self, limits: int) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def run(task: Callable[[Any], Any], items: Iterable[Any], device: str = "cpu") -> list[Any]:
    """Return [task(item) for item in items], computed on all cores with BLAS at one thread in each.

    BLAS gets one thread in each task, for two reasons. Many BLAS threads would meet once per product; tasks meet once,
    at the end. And BLAS's own threads, once woken, wait in a busy loop for some 30 ms: they would take the cores from
    whatever runs next. Each thread takes the next item when it has finished one.

    A task must not call `run` itself: it would wait for the threads that wait for it. Tasks for "cuda" run in this
    thread, because CuPy's current stream is that of a thread: another one would queue their work without an order.
    """
    items = list(items)
    workers = min(thread_count(), len(items)) if device == "cpu" else 1
    if workers <= 1:
        with _blas().limit(limits=1) if thread_count() > 1 else contextlib.nullcontext():
            return [task(item) for item in items]
    results, waiting = [None] * len(items), iter(enumerate(items))

    def work() -> None:
        for number, item in waiting:  # under the interpreter's lock, so every item is taken once
            results[number] = task(item)

    with _blas().limit(limits=1):
        # Each in a copy of this thread's context, which holds what np.errstate has set.
        for future in [_pool().submit(copy_context().run, work) for _ in range(workers)]:
            future.result()
    return results


def blocks(rows: int, row_size: int, device: str, size: int = BLOCK) -> list[slice]:
    """Cut `rows` rows of `row_size` elements into slices of about `size` elements; on cuda one slice holds all."""
    step = rows if device == "cuda" else max(1, size // max(1, row_size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, max(1, step))]


def by_rows(body: Callable[..., Any], *arrays: Array) -> list[Any]:
    """Call body(*blocks) on matching blocks of the arrays' leading axis; return what the calls returned, in order.

    All arrays have the same leading size. Elementwise chains written with `out=` then pass through the cache once.
    """
    first = arrays[0]
    row_size = first.size // max(1, first.shape[0])
    cuts = blocks(first.shape[0], row_size, device_of(first))
    return run(lambda cut: body(*(array[cut] for array in arrays)), cuts)


def column_sums(body: Callable[..., Array], *arrays: Array) -> Array:
    """Sum what body(*blocks) returns, an array per block: first within blocks, then over them (a two-level tree)."""
    partial = by_rows(body, *arrays)
    return partial[0] if len(partial) == 1 else array_module(partial[0]).stack(partial).sum(axis=0)


def row_sum(x: Array) -> Array:
    """Return the sum of the rows of x (rows, C), as a product, which is faster than x.sum(axis=0)."""
    return array_module(x).ones(len(x), x.dtype) @ x


def row_sum_of_products(x: Array, y: Array) -> Array:
    """Return the sum of the rows of x * y, (rows, C) both, without the array x * y."""
    return array_module(x).einsum("rc,rc->c", x, y)


def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next array instead of handing it back to the system.

    A training step frees and allocates the same few hundred megabytes again; handing them back means that the system
    zeroes and maps every page anew (a third of a NumPy step's time). CuPy keeps freed GPU memory in a pool; this is the
    same for the CPU. It only works with glibc and is skipped elsewhere.
    """
    mmap_max, trim_threshold, top_pad = -4, -1, -2  # parameter numbers in glibc's malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 64 * 2**20)
