"""Where an array lives, and which code runs on it.

The array decides the device: "cpu" for a NumPy array, "cuda" for a CuPy array. An `operation` is a function written
twice, as a reference (array code over `xp`, which is `numpy` or `cupy`) and as a launch of our kernels; the choice
between the two is the user's (`use`, choices.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from gpunet.backend.choices import implementation

DEVICES = ("cpu", "cuda")
Array = Any  # a NumPy or a CuPy array


def device_of(array: Array) -> str:
    """Return "cpu" for a NumPy array and "cuda" for a CuPy array; anything else raises TypeError."""
    if isinstance(array, np.ndarray | np.generic):
        return "cpu"
    if is_cupy(array):
        return "cuda"
    if hasattr(array, "numbers"):  # a Factor (factors.py)
        return device_of(array.numbers)
    raise TypeError(f"got a {type(array).__name__}, expected a NumPy or CuPy array: convert it by numpy.asarray")


def is_cupy(value: Any) -> bool:
    """Return whether a value is CuPy's, without importing CuPy."""
    return type(value).__module__.partition(".")[0] == "cupy"


def on_cuda(array: Array) -> bool:
    """Return whether an array is on the GPU; TypeError where it is no array."""
    return device_of(array) == "cuda"


def array_module(array: Array) -> ModuleType:
    """Return the module (`numpy` or `cupy`) whose functions take this array, by custom called `xp`."""
    return _cupy() if on_cuda(array) else np


def to_device(array: Array, device: str) -> Array:
    """Return the array on "cpu" or "cuda", C-contiguous; no copy is made where it is so already."""
    if device not in DEVICES:
        raise ValueError(f"got device {device!r}, expected one of {', '.join(DEVICES)}")
    return to_numpy(array) if device == "cpu" else _cupy().asarray(array, order="C")


def to_numpy(array: Array) -> np.ndarray:
    """Return the array as a C-contiguous NumPy array, copied from the GPU where needed."""
    return np.asarray(array.get() if on_cuda(array) else array, order="C")


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
    """Return the value; where `out` is given, copy the value into it and return `out`."""
    if out is None or out is value:
        return value
    out[...] = value
    return out


def operation(reference: Callable) -> Any:
    """Make an operation out of its reference; `@name.kernel` then adds the function that launches our kernels.

        @operation
        def relu(x): ...                the reference

        @relu.kernel
        def relu_kernel(x): ...         the launch

    A call of relu(x) goes to the implementation in force for the device of x, its first argument. There is no
    fallback: an operation without a kernel raises NotImplementedError when the kernels are asked for.
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
