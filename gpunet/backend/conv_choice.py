"""Which algorithm a convolution or a matrix product takes, and in which precision it multiplies: one choice, here.

    auto       winograd2 or winograd4 where that is less work for the CPU, else direct
    direct     every product of the sum: on the CPU strided, or im2col where lines are short; on a GPU mma, or tiled
               where it has no tensor cores for that
    winograd2  fewer products, in tiles of 2 x 2 outputs (winograd.py); where the shape has no such form, direct
    winograd4  the same in tiles of 4 x 4

    strided    patches read where they lie in the image (kernels/strided_conv.cpp), on the CPU only
    im2col     patches gathered into a matrix, one product (on the CPU products.cpp's or BLAS's, see im2col.py)
    tiled      our tiled kernels (kernels/conv2d/conv2d.cu): no matrix of patches, full precision
    mma        the same tiles on tensor cores (kernels/conv2d/conv2d_tf32.cu, ...): factors rounded, sums in float32

float64 arrays are never rounded: they take `tiled` where float32 takes `mma`. The factors' fractions have 23 bits in
fp32, 10 in tf32 and fp16, 7 in bf16. fp16 ends at 65504, and numbers below 6e-8 vanish: gradients need a scaled loss.
"""

from __future__ import annotations

import contextlib
import functools
import math
from typing import Any

from gpunet.backend.patches import Pads, Pair, output_size
from gpunet.backend.phases import fewer_taps

TAPS = 2, 3  # per axis, that Winograd's kernels are compiled for: k3 and k4, or k5 and k6, at stride 2
NARROW = 16  # with fewer channels than this the transforms would cost more than the products
LONG = 8  # pixels in a line of the output, from which on `strided` fills its tiles
LOAD = 64  # multiplications in the time that a number takes from or to memory, by measurement

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
PRODUCTS = ("strided", "im2col", "tiled", "mma")  # how a direct convolution or a matrix product is computed
ALGORITHMS = ("auto", "direct", "winograd2", "winograd4", *PRODUCTS)

_chosen: dict[str, str | None] = {"algorithm": "auto", "precision": None}  # None: the device's default


def algorithm(device: str, dtype: Any, line: int = 0) -> str:
    """Return how products of this dtype are computed on "cpu" or "cuda": as `use_conv` chose, or as is usual there.

    line: pixels in a line of a convolution's output. Raises RuntimeError where the device cannot do what was chosen.
    """
    rounding = precision(device)
    usual = "mma" if rounding != "fp32" else "tiled" if device == "cuda" else "strided" if line >= LONG else "im2col"
    wanted = _chosen["algorithm"] if _chosen["algorithm"] in PRODUCTS else usual
    if wanted == "strided" and device == "cuda":
        raise RuntimeError("got algorithm strided on a GPU, expected it on the cpu: or use_conv('tiled')")
    if wanted == "mma" and rounding == "fp32":
        raise RuntimeError("got algorithm mma and precision fp32, expected tf32, bf16 or fp16: or use_conv('tiled')")
    return "tiled" if wanted == "mma" and dtype == "float64" else wanted


def kernel_file(device: str, dtype: Any) -> str:
    """Return the kernel file of our matrix products: "conv2d/conv2d", or "conv2d/conv2d_tf32" and so on for `mma`."""
    return f"conv2d/conv2d_{precision(device)}" if algorithm(device, dtype) == "mma" else "conv2d/conv2d"


def covers_image(hw: Pair, shape: tuple[int, ...], pads: Pads, device: str) -> bool:
    """Return whether a layer is computed as a linear one: its kernel is as large as the image. On a GPU tiles do it."""
    return device == "cpu" and hw == shape[:2] and not any(map(any, pads))


def winograd_tile(images: tuple[int, int, int], shape: tuple[int, ...], stride: Pair, pads: Pads, device: str) -> int:
    """Return m of the Winograd form with tiles of m x m outputs that a layer takes, 0 for the direct one.

    images (N, H, W) and shape (KH, KW, C, F), the weight's. A layer has such a form where kernel and stride are square
    and its cells have 2 or 3 taps. auto takes the form with the least work: multiplications, and for every number that
    a product reads or writes the time of LOAD multiplications.
    """
    wanted, (kh, kw, c, f) = str(_chosen["algorithm"]), shape
    taps = -(-kh // stride[0])
    if wanted in ("direct", *PRODUCTS) or kh != kw or stride[0] != stride[1] or taps not in TAPS:
        return 0
    if wanted != "auto":
        return int(wanted[-1])
    if device == "cuda" or min(c, f) < NARROW:
        return 0
    out = [output_size(*axis) for axis in zip(images[1:], (kh, kw), stride, pads, strict=True)]
    rows = images[0] * math.prod(out)
    work = {0: _work(1.0, rows, kh * kw * c, f)}
    for m in (2, 4):
        tiles = images[0] * math.prod(-(-size // m) for size in out)
        points = m + taps - 1 - fewer_taps(kh, stride[0]) / 2  # on an axis, on average over its phases
        work[m] = _work(points**2, tiles, stride[0] ** 2 * c, f)
    return min(work, key=work.__getitem__)


def _work(products: float, m: int, k: int, n: int) -> float:
    """Return the work of matrix products (m, k) by (k, n), counted in multiplications."""
    return products * (m * k * n + LOAD * (m * k + k * n + m * n))


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
    """Choose the algorithm, as a function or for a `with` block. On the CPU `tiled` and `mma` are exact and slow."""
    return _Use("algorithm", name, ALGORITHMS)


def use_precision(name: str) -> _Use:
    """Choose how float32 factors are rounded before they are multiplied, as a function or for a `with` block."""
    return _Use("precision", name, PRECISIONS)
