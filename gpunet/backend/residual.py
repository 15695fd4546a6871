"""The sum of two arrays, with which a residual block adds its paths (kernels/residual.cu)."""

from __future__ import annotations

from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import contiguous, elements, empty
from gpunet.backend.threads import by_rows


@operation
def add(a: Array, b: Array) -> Array:
    """Return a + b, a new array; a and b have one shape."""
    _require_one_shape(a, b)
    xp = array_module(a)
    y = xp.empty(a.shape, a.dtype)
    by_rows(lambda y, a, b: xp.add(a, b, out=y), y, a, b)
    return y


@add.kernel
def add_kernel(a: Array, b: Array) -> Array:
    _require_one_shape(a, b)
    y = empty(a, *a.shape)
    elements("residual.add", (y, contiguous(a), contiguous(b), a.size), a.size)
    return y


def _require_one_shape(a: Array, b: Array) -> None:
    if a.shape != b.shape:
        raise ValueError(f"got arrays of shape {a.shape} and {b.shape}, expected one shape")
