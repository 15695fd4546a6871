"""What the user chose: the implementation, the form and the products of convolutions, the precision, and fusion.

    use("reference" | "kernels")         which implementation runs
    use_conv(name)                       a form of convolution (FORMS) or a way to compute products (PRODUCTS)
    use_precision(name)                  how float32 factors are rounded before they are multiplied (PRECISIONS)
    fusing(on)                           whether passes that can run in one launch do; off is for tests

Each choice holds at once, as a function, or for a block, as a context manager:

    >>> use("reference")                 # from here on
    >>> with use("kernels"): ...         # here only

This page only remembers what was asked for. Which form a convolution of some shape then takes is decided in
gpunet/backend/conv/form.py; how a matrix product is computed, in gpunet/backend/matmul.py.

    auto       Winograd where that is less work for the CPU, else direct
    direct     every product of the sum
    winograd2  fewer products, in tiles of 2 x 2 outputs; direct where the shape has no such form
    winograd4  the same in tiles of 4 x 4 outputs

    strided    patches are read where they lie in the image (kernels/strided_conv.cpp); on the CPU only
    im2col     patches are gathered into a matrix, for one matrix product
    tiled      our tiled kernels (kernels/conv2d/conv2d.cu): no matrix of patches, full precision
    mma        on tensor cores (kernels/conv2d_mma/): factors are rounded, sums are float32. They take channels that are
               multiples of 8 and kernels of up to 15 x 15; what they do not take (form.py) goes to `tiled`
    wgmma      `mma`, but the large convolutions by kernels for Hopper GPUs (kernels/conv2d_wgmma/), in bf16 and fp16

A name of the second list means the direct form with its products computed that way. The fraction of a factor has 23
bits in fp32, 21 in tf32x3 (two numbers of tf32), 10 in tf32 and fp16, 7 in bf16. fp16 ends at 65504, and numbers below
6e-8 vanish in it, so gradients need a scaled loss (loss_scale.py). float64 arrays are never rounded: they take `tiled`
where float32 takes `mma`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Mapping
from typing import Any

from gpunet import kernels

IMPLEMENTATIONS = ("reference", "kernels")
PRECISIONS = ("fp32", "tf32x3", "tf32", "bf16", "fp16")
FORMS = ("auto", "direct", "winograd2", "winograd4")
PRODUCTS = ("strided", "im2col", "tiled", "mma", "wgmma")
OF_WGMMA = ("bf16", "fp16")  # precisions that `wgmma` multiplies in
ALGORITHMS = (*FORMS, *PRODUCTS)  # what use_conv takes
HOPPER = 90  # the compute capability of Hopper GPUs, ten times; what is compiled for them runs on no other

# The choices that hold now. None: the device chooses (implementation, precision), or the shape does (product).
_chosen: dict[str, str | None] = {
    "implementation": None,
    "form": "auto",
    "product": None,
    "precision": None,
    "fusion": "on",
}


class _Choice(contextlib.AbstractContextManager):
    """Makes choices at once, and takes them back at the end of a `with` block."""

    def __init__(self, choices: Mapping[str, str | None]) -> None:
        self._before = {what: _chosen[what] for what in choices}
        _chosen.update(choices)

    def __exit__(self, *exception: object) -> None:
        _chosen.update(self._before)


def use(name: str) -> _Choice:
    """Choose the implementation: "reference" (array code) or "kernels" (our CUDA sources).

    Raises ValueError for another name.
    """
    _require("implementation", name, IMPLEMENTATIONS)
    return _Choice({"implementation": name})


def use_conv(name: str) -> _Choice:
    """Choose how convolutions are computed: a name of FORMS or PRODUCTS.

    On the CPU `tiled` and `mma` run exactly, but slowly. Raises ValueError for another name.
    """
    _require("algorithm", name, ALGORITHMS)
    return _Choice({"form": "direct", "product": name} if name in PRODUCTS else {"form": name, "product": None})


def use_precision(name: str) -> _Choice:
    """Choose how float32 factors are rounded before they are multiplied: a name of PRECISIONS.

    Raises ValueError for another name.
    """
    _require("precision", name, PRECISIONS)
    return _Choice({"precision": name})


def fusing(on: bool) -> _Choice:
    """Choose whether a pass may run inside the launch of its neighbour, as it does by default.

    False: every pass has a launch of its own. It is slower and easier to read; tests compare the two.
    """
    return _Choice({"fusion": "on" if on else "off"})


def fused() -> bool:
    """Return whether a pass may run inside the launch of its neighbour."""
    return _chosen["fusion"] == "on"


def _require(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise ValueError(f"got {what} {name!r}, expected one of {', '.join(names)}")


def implementation(device: str = "cpu") -> str:
    """Return which implementation runs on the device: the one chosen by `use`, else the device's default."""
    return _chosen["implementation"] or _default_implementation(device)


@functools.cache
def _default_implementation(device: str) -> str:
    if device == "cuda" or kernels.compiler_available():
        return "kernels"
    logging.getLogger("gpunet").warning("no C++ compiler found: running the NumPy reference instead of the kernels")
    return "reference"


def form() -> str:
    """Return the form of convolution that was chosen, a name of FORMS."""
    return str(_chosen["form"])


def product(device: str, dtype: Any) -> str | None:
    """Return how products of this dtype are computed on "cpu" or "cuda", a name of PRODUCTS but wgmma.

    None: nothing was chosen and this is the CPU, where the way depends on the shape.
    Raises RuntimeError where the device cannot do what was chosen.
    """
    if wgmma():
        _require_hopper(device)
    rounding = precision(device)
    wanted = _chosen["product"]
    if wanted is None and device == "cuda":
        wanted = "tiled" if rounding == "fp32" else "mma"
    if wanted == "wgmma":
        if rounding not in OF_WGMMA:
            raise RuntimeError(f"got algorithm wgmma and precision {rounding}, expected {' or '.join(OF_WGMMA)}")
        wanted = "mma"  # so say all but gpunet/backend/hopper.py, which takes some of its convolutions
    if wanted == "strided" and device == "cuda":
        raise RuntimeError("got algorithm strided on a GPU, expected it on the cpu: or use_conv('tiled')")
    if wanted == "mma" and rounding == "fp32":
        raise RuntimeError("got algorithm mma and precision fp32, expected another one: or use_conv('tiled')")
    return "tiled" if wanted == "mma" and dtype == "float64" else wanted


def wgmma() -> bool:
    """Return whether the kernels for Hopper GPUs take what they can of `mma`."""
    return _chosen["product"] == "wgmma"


def _require_hopper(device: str) -> None:
    """Raise RuntimeError where the kernels for Hopper GPUs do not run."""
    if device == "cpu" or not hopper():
        where = "the cpu" if device == "cpu" else f"a GPU of compute capability {_capability() / 10}"
        raise RuntimeError(f"got algorithm wgmma on {where}, expected a Hopper GPU, capability 9.0: choose another one")


def rounding(device: str, dtype: Any) -> str | None:
    """Return how factors are rounded for tensor cores, a name of PRECISIONS, None where these are not used."""
    used = implementation(device) == "kernels" and product(device, dtype) == "mma" and form() in ("auto", "direct")
    return precision(device) if used else None


def precision(device: str) -> str:
    """Return how float32 factors are rounded on the device: as `use_precision` chose, else the device's default.

    Raises RuntimeError where the device cannot do it.
    """
    exact = _chosen["product"] == "mma"  # on the CPU the exact path then imitates a tensor core, slowly
    wanted = _chosen["precision"] or ("tf32" if exact or (device == "cuda" and tensor_cores()) else "fp32")
    if wanted == "fp32" or (device == "cpu" and exact) or (device == "cuda" and tensor_cores()):
        return wanted
    what = "the cpu" if device == "cpu" else f"a GPU of compute capability {_capability() / 10}"
    raise RuntimeError(f"got precision {wanted} on {what}, expected a GPU of 8.0 or later: choose precision fp32")


def tensor_cores() -> bool:
    """Return whether the current GPU multiplies tf32, bf16 and fp16 on tensor cores."""
    return _capability() >= 80


def hopper() -> bool:
    """Return whether the current GPU is a Hopper GPU."""
    return _capability() == HOPPER


def _capability() -> int:
    """Return the compute capability of the current GPU, ten times: 80 means 8.0."""
    import cupy

    return _capability_of(cupy.cuda.runtime.getDevice())


@functools.cache
def _capability_of(device: int) -> int:
    import cupy

    return int(cupy.cuda.Device(device).compute_capability)
