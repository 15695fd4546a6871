"""Which algorithm a convolution or a matrix product takes, and in which precision it multiplies: one choice, here.

    im2col   patches gathered into a matrix, one product; on the CPU the product is BLAS's
    direct   our tiled kernels (kernels/conv2d.cu): no matrix of patches, full precision
    mma      the same tiles on tensor cores (kernels/conv2d_tf32.cu, ...): factors rounded, sums in float32

The CPU's default is im2col, a GPU's mma in tf32 where it has tensor cores for it (compute capability 8.0), else direct.
float64 arrays are never rounded: they take `direct` where float32 takes `mma`. The factors' fractions have 23 bits in
fp32, 10 in tf32 and fp16, 7 in bf16. fp16 ends at 65504, and numbers below 6e-8 vanish: gradients need a scaled loss.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
ALGORITHMS = ("im2col", "direct", "mma")

_chosen: dict[str, str | None] = {"algorithm": None, "precision": None}  # None: the device's default


def algorithm(device: str, dtype: Any) -> str:
    """Return the algorithm for arrays of this dtype on "cpu" or "cuda": what `use_conv` chose, or the default."""
    rounding = precision(device)
    wanted = _chosen["algorithm"] or ("mma" if rounding != "fp32" else "im2col" if device == "cpu" else "direct")
    if wanted == "mma" and rounding == "fp32":
        raise RuntimeError("got algorithm mma and precision fp32, expected tf32, bf16 or fp16: or use_conv('direct')")
    return "direct" if wanted == "mma" and dtype == "float64" else wanted


def kernel_file(device: str, dtype: Any) -> str:
    """Return the kernel file of our matrix products: "conv2d", or "conv2d_tf32" and so on for `mma`."""
    return f"conv2d_{precision(device)}" if algorithm(device, dtype) == "mma" else "conv2d"


def precision(device: str) -> str:
    """Return how factors of float32 are rounded on the device: as `use_precision` chose, or as is usual there.

    Raises RuntimeError where the device cannot do it.
    """
    exact = _chosen["algorithm"] == "mma"  # then the CPU takes its time to do what a tensor core does
    wanted = _chosen["precision"] or ("tf32" if exact or (device == "cuda" and tensor_cores()) else "fp32")
    if wanted == "fp32" or (device == "cpu" and exact) or (device == "cuda" and tensor_cores()):
        return wanted
    what = "the cpu" if device == "cpu" else f"a GPU of compute capability {_capability() / 10}"
    raise RuntimeError(f"got precision {wanted} on {what}, expected a GPU of 8.0 or later: choose precision fp32")


def tensor_cores() -> bool:
    """Return whether the current GPU multiplies tf32, bf16 and fp16 on tensor cores."""
    return _capability() >= 80


def _capability() -> int:
    import cupy

    return _capability_of(cupy.cuda.runtime.getDevice())


@functools.cache
def _capability_of(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).compute_capability)


class _Use(contextlib.AbstractContextManager):
    """Set a choice at once, and back at the end of a `with` block."""

    def __init__(self, what: str, name: str, names: tuple[str, ...]) -> None:
        if name not in names:
            raise ValueError(f"got {what} {name!r}, expected one of {', '.join(names)}")
        self._what, self._before = what, _chosen[what]
        _chosen[what] = name

    def __exit__(self, *exception: object) -> None:
        _chosen[self._what] = self._before


def use_conv(name: str) -> _Use:
    """Choose the algorithm, as a function or for a `with` block. On the CPU `direct` and `mma` are exact and slow."""
    return _Use("algorithm", name, ALGORITHMS)


def use_precision(name: str) -> _Use:
    """Choose how float32 factors are rounded before they are multiplied, as a function or for a `with` block."""
    return _Use("precision", name, PRECISIONS)
