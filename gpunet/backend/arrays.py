"""Devices and implementations: everything the library knows about where an array lives and which code runs on it.

The array decides the device (NumPy: "cpu", CuPy: "cuda"); `use` decides the implementation ("reference": array code
over `xp`, "kernels": our CUDA sources). An `operation` is a function written once for each of the two.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

IMPLEMENTATIONS = ("reference", "kernels")
DEVICES = ("cpu", "cuda")
Array = Any  # a NumPy or a CuPy array

_chosen: str | None = None  # what use() asked for; None: the default of the device


def device_of(array: Array) -> str:
    """Return "cpu" for a NumPy array and "cuda" for a CuPy array; anything else raises TypeError."""
    if isinstance(array, np.ndarray | np.generic):
        return "cpu"
    if type(array).__module__.partition(".")[0] == "cupy":
        return "cuda"
    raise TypeError(f"got a {type(array).__name__}, expected a NumPy or CuPy array: convert it by numpy.asarray")


def array_module(array: Array) -> ModuleType:
    """Return the module (`numpy` or `cupy`) whose functions take this array, by custom called `xp`."""
    return np if device_of(array) == "cpu" else _cupy()


def to_device(array: Array, device: str) -> Array:
    """Return the array on "cpu" or "cuda", C-contiguous; no copy where it is so already."""
    if device not in DEVICES:
        raise ValueError(f"got device {device!r}, expected one of {', '.join(DEVICES)}")
    return to_numpy(array) if device == "cpu" else _cupy().asarray(array, order="C")


def to_numpy(array: Array) -> np.ndarray:
    """Return the array as a C-contiguous NumPy array, copying from the GPU where needed."""
    return np.asarray(array.get() if device_of(array) == "cuda" else array, order="C")


@functools.cache
def _cupy() -> ModuleType:
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(
            f"device 'cuda' needs CuPy, which did not import ({error}): "
            "pip install 'gpunet[cuda13]' or 'gpunet[cuda12]'"
        ) from error
    return cupy


def written(value: Array, out: Array | None = None) -> Array:
    """Return the value, in `out` if given."""
    if out is None or out is value:
        return value
    out[...] = value
    return out


def implementation(device: str = "cpu") -> str:
    """Return which implementation runs on the device: the one `use` chose, otherwise the device's default."""
    return _chosen or _default(device)


@functools.cache
def _default(device: str) -> str:
    from gpunet import kernels

    if device == "cuda" or kernels.compiler_available():
        return "kernels"
    logging.getLogger("gpunet").warning("no C++ compiler found: running the NumPy reference instead of the kernels")
    return "reference"


class use(contextlib.AbstractContextManager):  # noqa: N801 - reads as a verb: use("kernels")
    """Choose the implementation, "reference" or "kernels": at once as a function, for a block as a context manager.

    >>> use("reference")              # from here on
    >>> with use("kernels"): ...      # here only
    """

    def __init__(self, name: str) -> None:
        global _chosen
        if name not in IMPLEMENTATIONS:
            raise ValueError(f"got implementation {name!r}, expected one of {', '.join(IMPLEMENTATIONS)}")
        self._before = _chosen
        _chosen = name

    def __exit__(self, *exception: object) -> None:
        global _chosen
        _chosen = self._before


def operation(reference: Callable) -> Any:
    """Make an operation out of its reference; `@name.kernel` then adds the function that launches our kernels.

    The call goes to the implementation in force for the device of the first argument. There is no fallback: an
    operation without a kernel raises NotImplementedError when the kernels are asked for.
    """

    @functools.wraps(reference)
    def call(first: Array, *args: Any, **kwargs: Any) -> Any:
        function = call.kernels if implementation(device_of(first)) == "kernels" else reference  # type: ignore
        return function(first, *args, **kwargs)

    def missing(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"{reference.__name__} has no kernel yet: choose backend.use('reference')")

    def kernel(function: Callable) -> Callable:
        call.kernels = functools.wraps(reference)(function)  # type: ignore
        return call

    call.reference, call.kernels, call.kernel = reference, missing, kernel  # type: ignore
    operations[reference.__name__] = call
    return call


operations: dict[str, Any] = {}  # name -> operation: what the tests walk over
