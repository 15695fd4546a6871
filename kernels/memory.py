"""Memory for the kernels' results, on either machine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LINE = 64  # bytes that a CPU's cache holds together
PAGE = 4096  # smaller arrays are not worth aligning


def on_cuda(array: Any) -> bool:
    """Return whether an array is on the GPU."""
    return not isinstance(array, np.ndarray)


def empty(like: Any, *shape: int, dtype: Any = None) -> Any:
    """Return a new array of this shape on the machine, and with the dtype, of another, in whole lines of the cache."""
    if on_cuda(like):
        import cupy

        return cupy.empty(shape, dtype or like.dtype)
    dtype = np.dtype(dtype or like.dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < PAGE:
        return np.empty(shape, dtype)
    memory = np.empty(size + LINE, np.uint8)  # NumPy aligns to 16 bytes: every vector would straddle two lines
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def contiguous(array: Any) -> Any:
    """Return the array itself if it is C-contiguous, else a copy that is."""
    return array if array.flags.c_contiguous else array.copy(order="C")
