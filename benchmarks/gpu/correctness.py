"""Are the kernels right on this GPU? Every convolution against float64, and repeated bit for bit, in guarded memory.

The results lie in memory that held NaN before, between two guards of 4 KB: a number that a kernel leaves out shows as
NaN, and a write beside the result shows in the guards. The last block of a sum adds the parts of the others; an error
in that protocol shows in some runs only, so every call is repeated and its bits are compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks.gpu.operations import OPERATIONS, numbers
from benchmarks.gpu.products import Product, products
from benchmarks.gpu.sized import Settings
from gpunet import backend
from gpunet.backend import use, use_precision

GUARD, POISON = 4096, 0xFF  # bytes; four of them are a NaN
REPEATS = 50
BOUNDS = {"fp32": 1e-5, "tf32x3": 1e-5, "tf32": 3e-3, "fp16": 3e-3, "bf16": 2e-2}  # relative rms errors


def run(settings: Settings) -> None:
    """Keep a row per convolution, pass and precision, and one per other operation; `wrong` counts those that fail."""
    wrong = 0
    for product in products(settings):
        with use("reference"):  # in float64, where nothing of the kernels takes part
            exact = product.call(product.arrays("float64"))
        single = product.arrays("float32")
        for precision in settings.precisions:
            with use_precision(precision):
                row = checked(partial(one, product, single), [exact], settings.times(REPEATS))
            row |= {"name": product.name, "precision": precision, "right": is_right(row, BOUNDS[precision])}
            settings.add("products", row)
            wrong += not row["right"]
    for name, row in others(settings):
        row |= {"name": name, "right": is_right(row, BOUNDS["fp32"])}
        settings.add("others", row)
        wrong += not row["right"]
    settings.keep(wrong=wrong)


def one(product: Product, arrays: list[Any]) -> list[Any]:
    """Return the result of a product, as a list; its factors are rounded or unfolded within the call."""
    return [product.call(arrays)]


def is_right(row: dict[str, Any], bound: float) -> bool:
    """Return whether the error is within the bound (NaN is not), all repeats are equal, and the guards are whole."""
    return row["rms"] <= bound and row["repeats"] and row["guards"]


def checked(call: Any, exact: list[Any], repeats: int) -> dict[str, Any]:
    """Return the largest relative rms and maximal error of a call's results; whether repeats and guards stay."""
    with guarded() as whole:
        found = [array.copy() for array in call()]
        same = all(
            all(bool((a.view("uint32") == b.view("uint32")).all()) for a, b in zip(found, call(), strict=True))
            for _ in range(repeats)
        )
        guards = whole()
    pairs = [(backend.to_numpy(a).astype("float64"), backend.to_numpy(b)) for a, b in zip(found, exact, strict=True)]
    rms = float(np.max([np.linalg.norm(a - b) / (np.linalg.norm(b) or 1) for a, b in pairs]))
    most = float(np.max([np.abs(a - b).max() / (np.abs(b).max() or 1) for a, b in pairs]))
    return {"rms": rms, "max": most, "repeats": same, "guards": guards}


@contextlib.contextmanager
def guarded() -> Iterator[Any]:
    """Give every new array of the block poisoned memory between guards; what is yielded says whether all are whole."""
    import cupy

    pool, blocks = cupy.cuda.MemoryPool(), []

    def malloc(size: int) -> Any:
        block = pool.malloc(size + 2 * GUARD)
        block.memset_async(POISON, size + 2 * GUARD, cupy.cuda.get_current_stream())
        blocks.append((block, size))
        return block + GUARD

    def whole() -> bool:
        ends = [(block + start, GUARD) for block, size in blocks for start in (0, GUARD + size)]
        return all(bool((cupy.ndarray(size, "uint8", memory) == POISON).all()) for memory, size in ends)

    with cupy.cuda.using_allocator(malloc):
        yield lambda: _outside(whole)


def _outside(check: Any) -> bool:
    import cupy

    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):
        return check()


def others(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each operation of OPERATIONS, float32 by the kernels against float64 by the reference."""
    double = numbers(settings)
    single = {name: array.astype("float32") for name, array in double.items()}
    for name, call in OPERATIONS.items():
        with use("reference"):
            exact = call(**double)
        yield name, checked(partial(call, **single), exact, settings.times(REPEATS))
