"""Two operations in numbered steps, each removing one named defect of the step before: for learning, and tested.

    channel_sum("warp_shuffle", x)      sum over the rows of x (M, C)
    matmul("tensor_cores", a, b)        product of a (M, K) and b (K, N)
    conv2d(x, weight, 2, 1)             convolution by step 8 of the product
    layer(x, weight, bias, 0.2, 2, 1)   the same by step 9, with bias, leaky ReLU and a batch norm's statistics

work on NumPy arrays (CPU) and CuPy arrays (GPU), float32 or float64, any size from 1 up. README.md here says in which
order to read the files, `python -m benchmarks.ladder` measures the steps. Training uses none of this.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.kernels.loader.source import path_of

CHANNEL_SUM = (
    "atomics",
    "thread_per_channel",
    "shared_tree",
    "coalesced_tree",
    "warp_shuffle",
    "tree_without_barriers",
)
MATMUL = (
    "naive",
    "coalesced",
    "shared_tiles",
    "register_tiles",
    "double_buffered",
    "tensor_cores",
    "ldmatrix",
    "taps_by_masks",
    "epilogue",
)
HALF = ("ldmatrix", "taps_by_masks", "epilogue")  # their factors are float16
MOST_TAPS = 16  # on an axis of a convolution's kernel: a mask has 16 bits for each axis
EIGHT = 8  # numbers of float16 that one copy moves: rows of factors are filled up to a multiple of it
THREADS = 256  # of a block, where the step leaves it open
Launch = Callable[..., None]  # kernels.launch, or something that is called like it


def stem(ladder: str, step: str) -> str:
    """Return the kernel file of a step: "ladder/matmul_1_naive" for ("matmul", "naive")."""
    steps = {"channel_sum": CHANNEL_SUM, "matmul": MATMUL}[ladder]
    if step not in steps:
        raise ValueError(f"got step {step!r} of {ladder}, expected one of {', '.join(steps)}")
    return f"ladder/{ladder}_{steps.index(step) + 1}_{step}"


@functools.cache
def constants(kernel_file: str) -> dict[str, int]:
    """Return the numbers that a kernel file declares by `constexpr int NAME = 123`, as the launch has to match them."""
    text = path_of(kernel_file).read_text(encoding="utf-8")
    return {name: int(value) for name, value in re.findall(r"\b([A-Z_]+) = (\d+)[,;]", text)}


def channel_sum(step: str, x: Any, launch: Launch = kernels.launch) -> Any:
    """Return y[c] = sum over m of x[m, c] by one step of the ladder: x (M, C), y (C,).

    Steps that add a limited number of rows per launch are launched on their own results until one row remains.
    """
    file = stem("channel_sum", step)
    while True:
        M, C = x.shape
        grid, block = _channel_sum_grid(step, M, C, constants(file))
        parts = ceil_div(M, constants(file).get("ROWS", M))
        y = np.zeros_like(x, shape=(parts, C))  # NumPy hands a CuPy array's call on to CuPy
        launch(f"{file}.channel_sum_{step}", grid, block, (y, x, M, C))
        if parts == 1:
            return y[0]
        x = y


def _channel_sum_grid(step: str, M: int, C: int, k: dict[str, int]) -> tuple[Any, Any]:
    if step == "atomics":
        return ceil_div(M * C, THREADS), THREADS
    if step == "thread_per_channel":
        return ceil_div(C, THREADS), THREADS
    if step == "shared_tree":
        return C, k["THREADS"]
    if step == "tree_without_barriers":
        width = min(THREADS, ceil_div(C, 32) * 32)
        return (ceil_div(M, k["ROWS"]), ceil_div(C, width)), width
    return (ceil_div(C, k["WIDTH"]), ceil_div(M, k["ROWS"])), (k["WIDTH"], k.get("DEPTH", k["WIDTH"]))


def matmul(step: str, a: Any, b: Any, launch: Launch = kernels.launch) -> Any:
    """Return c = a b by one step of the ladder: a (M, K), b (K, N), c (M, N). ValueError: the shapes do not meet.

    The last four steps need float32 and compute capability 8.0. "tensor_cores" rounds the factors to tf32, the steps
    of HALF round them to float16: both have 10 bits of fraction; float16 ends at 65504. "epilogue" returns float16.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"got shapes {a.shape} and {b.shape}, expected (M, K) and (K, N)")
    if step in ("taps_by_masks", "epilogue"):  # a convolution of M images of one pixel, with 1 x 1 taps
        x, weight = a[:, None, None], b[None, None]
        y = layer(x, weight, launch=launch)[0] if step == "epilogue" else conv2d(x, weight, launch=launch)
        return y[:, 0, 0]
    file = stem("matmul", step)
    N = b.shape[1]
    if step in HALF:
        rounded = _half(a, 1), _half(b, 2)
        c = np.empty_like(a, shape=(len(a), rounded[1].shape[1]))  # in the dtype of a, which the launch checks
        a, b = rounded
    else:
        c = np.empty_like(a, shape=(len(a), N))
    (M, K), columns = a.shape, b.shape[1]
    grid, block = _matmul_grid(step, M, columns, constants(file))
    launch(f"{file}.matmul_{step}", grid, block, (c, a, b, M, columns, K))
    return c[:, :N]


def conv2d(x: Any, weight: Any, stride: int = 1, padding: int = 0, launch: Launch = kernels.launch) -> Any:
    """Return y (N, OH, OW, F) of x (N, H, W, C) and weight (KH, KW, C, F), float32, by step 8 of the ladder.

    Raises ValueError where the channels differ, the kernel has more than 16 taps on an axis or is larger than the image
    with its padding.
    """
    (grid, block), (n, oh, ow, filled), factors, sizes = _convolution("taps_by_masks", x, weight, stride, padding)
    y = np.empty_like(x, shape=(n, oh, ow, filled))
    launch(f"{stem('matmul', 'taps_by_masks')}.matmul_taps_by_masks", grid, block, (y, *factors, *sizes))
    return y[..., : weight.shape[3]]


def layer(
    x: Any,
    weight: Any,
    bias: Any = None,
    slope: float = 1.0,
    stride: int = 1,
    padding: int = 0,
    launch: Launch = kernels.launch,
) -> tuple[Any, Any, Any]:
    """Return y, mean and variance by step 9 of the ladder: y = leaky_relu(conv2d(x, weight) + bias[f], slope), float16.

    bias (F,) or None. mean and variance (F,), float32, are those of each column of y over all its rows, and belong to
    the rounded y. Raises ValueError as `conv2d` does.
    """
    (grid, block), y_shape, factors, sizes = _convolution("epilogue", x, weight, stride, padding)
    filled, f = y_shape[3], weight.shape[3]
    y, statistics = np.empty_like(x, shape=y_shape, dtype="float16"), np.empty_like(x, shape=(2, filled))
    parts, counters = np.empty_like(x, shape=(grid[1], 2, filled)), np.zeros_like(x, shape=filled, dtype="int32")
    if bias is not None:
        bias, given = np.zeros_like(x, shape=filled), bias
        bias[:f] = given
    args = (y, statistics, parts, counters, *factors, bias, slope, *sizes)
    launch(f"{stem('matmul', 'epilogue')}.matmul_epilogue", grid, block, args)
    return y[..., :f], statistics[0, :f], statistics[1, :f]


def _convolution(step: str, x: Any, weight: Any, stride: int, padding: int) -> tuple[Any, Any, Any, Any]:
    """Return grid and block, the shape of y with its channels filled up, the rounded factors, the kernel's sizes."""
    kh, kw, _, _ = weight.shape
    n, h, w, _ = x.shape
    oh, ow = ((size + 2 * padding - taps) // stride + 1 for size, taps in ((h, kh), (w, kw)))
    if x.shape[3] != weight.shape[2] or max(kh, kw) > MOST_TAPS or min(oh, ow) < 1:
        raise ValueError(f"got x {x.shape} and weight {weight.shape}, expected (N, H, W, C) and (KH, KW, C, F)")
    rounded, rounded_weight = _half(x, 1), _half(weight, 2)
    c, filled = rounded_weight.shape[2:]
    launched = _matmul_grid(step, n * oh * ow, filled, constants(stem("matmul", step)))
    sizes = (n, h, w, c, oh, ow, filled, kh, kw, stride, padding)
    return launched, (n, oh, ow, filled), (rounded, rounded_weight), sizes


def _half(x: Any, filled: int) -> Any:
    """Return x rounded to float16, its last `filled` axes filled up with zeros to multiples of EIGHT."""
    shape = *x.shape[:-filled], *(ceil_div(size, EIGHT) * EIGHT for size in x.shape[-filled:])
    y = np.zeros_like(x, shape=shape, dtype="float16")
    y[tuple(slice(size) for size in x.shape)] = x
    return y


def _matmul_grid(step: str, M: int, N: int, k: dict[str, int]) -> tuple[Any, Any]:
    if step == "naive":
        return (ceil_div(M, k["BLOCK_M"]), ceil_div(N, k["BLOCK_N"])), (k["BLOCK_M"], k["BLOCK_N"])
    if step == "coalesced":
        return (ceil_div(N, k["BLOCK_N"]), ceil_div(M, k["BLOCK_M"])), (k["BLOCK_N"], k["BLOCK_M"])
    tile = k["TILE"]
    grid = (ceil_div(N, tile), ceil_div(M, tile))
    if step == "tensor_cores" or step in HALF:
        return grid, k["THREADS"]
    return grid, (k.get("SIDE", tile), k.get("SIDE", tile))


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up: how many blocks of b cover a."""
    return -(-a // b)
