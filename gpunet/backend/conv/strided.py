"""Convolution on the CPU that reads patches where they lie in the image: kernels/strided_conv.cpp.

It serves the direct form (direct.py) where a line of the output is long enough to fill its tiles.
"""

from __future__ import annotations

import ctypes

import numpy as np

from gpunet.backend.launches import contiguous, empty
from gpunet.backend.sizes import Sizes, require_fit
from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.machine import workers

GROUPS = 16  # partial sums of a weight gradient: enough for most CPUs, and the same on all of them


def conv2d(x: np.ndarray, weight: np.ndarray, sizes: Sizes, bias: np.ndarray | None) -> np.ndarray:
    """Return y (N, OH, OW, F) of x (N, H, W, C), weight (KH, KW, C, F) and bias (F,)."""
    y = empty(x, *sizes.y_shape)
    require_fit(sizes, x, weight, y)
    return _call("conv2d", (y, x, weight, bias), sizes)


def conv2d_input_grad(dy: np.ndarray, weight: np.ndarray, sizes: Sizes, bias: np.ndarray | None) -> np.ndarray:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F), weight (KH, KW, C, F) and bias (C,)."""
    dx = empty(dy, *sizes.x_shape)
    require_fit(sizes, dx, weight, dy)
    return _call("conv2d_input_grad", (dx, dy, weight, bias), sizes)


def conv2d_weight_grad(x: np.ndarray, dy: np.ndarray, sizes: Sizes, out: np.ndarray | None) -> np.ndarray:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F)."""
    dweight = empty(x, *sizes.weight_shape) if out is None else out
    require_fit(sizes, x, dweight, dy)
    if not len(x):
        dweight[...] = 0
        return dweight
    return _call("conv2d_weight_grad", (dweight, x, dy), sizes, min(GROUPS, len(x)))


def _call(name: str, arrays: tuple[np.ndarray | None, ...], sizes: Sizes, *more: int) -> np.ndarray:
    """Call a C++ function and return its result, the first of the arrays, which is C-contiguous."""
    out, *inputs = arrays
    assert out is not None
    dtypes = [getattr(array, "dtype", None) for array in arrays]
    if len({*dtypes} - {None}) > 1:
        raise ValueError(f"{name}: got {', '.join(map(str, dtypes))}, expected one dtype")
    if not out.flags.c_contiguous:
        raise ValueError(f"{name}: got strides {out.strides} of {out.shape}, expected a C-contiguous result")
    inputs = [None if array is None else contiguous(array) for array in inputs]
    pointers = [None if array is None else array.ctypes.data_as(ctypes.c_void_p) for array in (out, *inputs)]
    function = cpu.functions_of("strided_conv.cpp", out.dtype.name)[name]
    function(*pointers, (ctypes.c_int * len(sizes))(*sizes), *more, workers())
    return out
