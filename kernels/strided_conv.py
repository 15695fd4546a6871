"""Convolution on the CPU by strided_conv.cpp: patches are read where they lie in the image, never gathered."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from gpunet.kernels.conv_sizes import Conv, Pads, Pair, fitting, output_size
from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.machine import workers
from gpunet.kernels.memory import contiguous, empty

GROUPS = 16  # partial sums of a weight gradient: enough for most CPUs, and the same on all of them


def conv2d(x: np.ndarray, weight: np.ndarray, stride: Pair, pads: Pads, bias: np.ndarray | None) -> np.ndarray:
    """Return y (N, OH, OW, F) of x (N, H, W, C), weight (KH, KW, C, F) and bias (F,)."""
    y = empty(x, len(x), *output_size(x.shape[1:3], weight.shape[:2], stride, pads), weight.shape[3])
    return _call("conv2d", (y, x, weight, bias), fitting(x, weight, y, stride, pads))


def conv2d_input_grad(
    dy: np.ndarray, weight: np.ndarray, hw: Pair, stride: Pair, pads: Pads, bias: np.ndarray | None
) -> np.ndarray:
    """Return dx (N, H, W, C) of dy (N, OH, OW, F), weight (KH, KW, C, F) and bias (C,)."""
    dx = empty(dy, len(dy), *hw, weight.shape[2])
    return _call("conv2d_input_grad", (dx, dy, weight, bias), fitting(dx, weight, dy, stride, pads))


def conv2d_weight_grad(
    x: np.ndarray, dy: np.ndarray, kernel: Pair, stride: Pair, pads: Pads, out: np.ndarray | None
) -> np.ndarray:
    """Return dweight (KH, KW, C, F), in `out` if given, of x (N, H, W, C) and dy (N, OH, OW, F)."""
    dweight = empty(x, *kernel, x.shape[3], dy.shape[3]) if out is None else out
    g = fitting(x, dweight, dy, stride, pads)
    if not len(x):
        dweight[...] = 0
        return dweight
    return _call("conv2d_weight_grad", (dweight, x, dy), g, min(GROUPS, len(x)))


def _call(name: str, arrays: tuple[Any, ...], sizes: Conv, *more: int) -> np.ndarray:
    """Call a C++ function and return its result, the first of the arrays, which is C-contiguous."""
    out, *inputs = arrays
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
