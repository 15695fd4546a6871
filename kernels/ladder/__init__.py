"""Two operations in numbered steps, each removing one named defect of the step before: for learning, and tested.

    channel_sum("warp_shuffle", x)      sum over the rows of x (M, C)
    matmul("tensor_cores", a, b)        product of a (M, K) and b (K, N)

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
MATMUL = ("naive", "coalesced", "shared_tiles", "register_tiles", "double_buffered", "tensor_cores")
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

    Step "tensor_cores" rounds float32 factors to tf32 (10 bits after the point) and needs compute capability 8.0.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"got shapes {a.shape} and {b.shape}, expected (M, K) and (K, N)")
    file = stem("matmul", step)
    (M, K), N = a.shape, b.shape[1]
    c = np.empty_like(a, shape=(M, N))
    grid, block = _matmul_grid(step, M, N, constants(file))
    launch(f"{file}.matmul_{step}", grid, block, (c, a, b, M, N, K))
    return c


def _matmul_grid(step: str, M: int, N: int, k: dict[str, int]) -> tuple[Any, Any]:
    if step == "naive":
        return (ceil_div(M, k["BLOCK_M"]), ceil_div(N, k["BLOCK_N"])), (k["BLOCK_M"], k["BLOCK_N"])
    if step == "coalesced":
        return (ceil_div(N, k["BLOCK_N"]), ceil_div(M, k["BLOCK_M"])), (k["BLOCK_N"], k["BLOCK_M"])
    tile = k["TILE"]
    grid = (ceil_div(N, tile), ceil_div(M, tile))
    if step == "tensor_cores":
        return grid, k["THREADS"]
    return grid, (k.get("SIDE", tile), k.get("SIDE", tile))


def ceil_div(a: int, b: int) -> int:
    """Return a / b rounded up: how many blocks of b cover a."""
    return -(-a // b)
