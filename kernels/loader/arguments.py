"""The checks before a launch. Neither C nor CuPy checks an argument: a wrong one would be read as garbage."""

from __future__ import annotations

import ctypes
import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.kernels.loader.signature import Entry, Parameter

Grid = tuple[int, int, int]
Size = int | tuple[int, ...]
# CUDA's limits hold on the CPU too, so that a launch that works here works there.
GRID_LIMIT, BLOCK_LIMIT, THREAD_LIMIT, SHARED_LIMIT = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024, 227 * 1024
INTEGERS = {
    "int": (-(2**31), 2**31 - 1),
    "unsigned": (0, 2**32 - 1),
    "long long": (-(2**63), 2**63 - 1),
    "unsigned char": (0, 255),
}
DATA = object.__basicsize__  # an ndarray object keeps its data pointer here, just after the object's head


def numpy_address(array: np.ndarray) -> int:
    """Return the address of an array's data; the same as array.ctypes.data, in a tenth of its time."""
    return ctypes.c_void_p.from_address(id(array) + DATA).value or 0


_probe = np.zeros(1)
if numpy_address(_probe) != _probe.ctypes.data:  # this Python or NumPy lays its objects out in another way

    def numpy_address(array: np.ndarray) -> int:  # noqa: F811
        return array.ctypes.data


def convert(stem: str, entry: Entry, args: Sequence[Any], device: str) -> list[Any]:
    """Return the values for a kernel's parameters: an address per array, an int, float or bool per scalar.

    Raises TypeError or ValueError, naming the argument, for anything the kernel cannot take.
    """
    if len(args) != len(entry.parameters):
        expected = ", ".join(p.name for p in entry.parameters)
        raise TypeError(
            f"kernel {stem}.{entry.name}: got {len(args)} arguments, expected {len(entry.parameters)} ({expected})"
        )
    try:
        return [
            _array(p, arg, device) if p.pointer else _scalar(p, arg)
            for p, arg in zip(entry.parameters, args, strict=True)
        ]
    except (TypeError, ValueError) as error:
        raise type(error)(f"kernel {stem}.{entry.name}, {error}") from None


def _array(p: Parameter, array: Any, device: str) -> int:
    """Return the address of an array that fits the parameter (0 for None)."""
    if device == "cpu" and type(array) is np.ndarray:
        flags, address = array.flags, numpy_address(array)
        fits = flags.c_contiguous and (flags.writeable or not p.writes)
    elif device == "cuda" and hasattr(array, "__cuda_array_interface__"):
        fits, address = array.flags.c_contiguous, array.data.ptr
    elif array is None and p.optional:
        return 0
    else:
        kind = "NumPy" if device == "cpu" else "CuPy"
        raise TypeError(_text(p, f"got {_kind(array)}", f"a {kind} array like the others", "move it by to_device"))
    if fits and array.dtype == p.dtype and not address % p.alignment:
        return address
    raise _misfit(p, array, address)


def _misfit(p: Parameter, array: Any, address: int) -> Exception:
    """Return the error that says why an array of the right device does not fit."""
    if array.dtype != p.dtype:
        return TypeError(_text(p, f"got dtype {array.dtype}", str(p.dtype), "convert it by .astype"))
    if not array.flags.c_contiguous:
        return ValueError(_text(p, "got a view with gaps or another order", "C-contiguous", "ascontiguousarray"))
    if address % p.alignment:
        return ValueError(_text(p, f"got address {address:#x}", f"a multiple of {p.alignment}", "copy it"))
    return ValueError(_text(p, "got a read-only array", "one that the kernel may write to", "copy it"))


def _scalar(p: Parameter, value: Any) -> Any:
    """Return a number that fits the parameter as int, float or bool; of a tensor map its bytes."""
    if p.type == "TensorMap":
        if isinstance(value, bytes) and len(value) == p.dtype.itemsize:
            return value
        raise TypeError(_text(p, f"got {_kind(value)}", f"{p.dtype.itemsize} bytes", "use tensor_maps.encoded"))
    if p.type not in INTEGERS:
        if isinstance(value, int | float | np.floating | np.integer):
            return bool(value) if p.type == "bool" else float(value)
        raise TypeError(_text(p, f"got {_kind(value)}", "a number", "pass float(x)"))
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(_text(p, f"got {_kind(value)}", "an integer", "pass int(x)")) from None
    low, high = INTEGERS[p.type]
    if not low <= number <= high:
        raise ValueError(_text(p, f"got {number}", f"{low} to {high}", "use smaller arrays"))
    return number


def _kind(value: Any) -> str:
    kind = type(value)
    return "None" if value is None else f"a {kind.__module__.partition('.')[0]} {kind.__name__}"


def _text(p: Parameter, got: str, expected: str, remedy: str) -> str:
    return f"argument `{p.name}`: {got}, expected {expected}: {remedy}"


@functools.lru_cache(4096)
def sizes_of(entry: str, grid: Size, block: Size, shared: int) -> tuple[Grid, Grid]:
    """Return grid and block as three ints each. ValueError: one is empty or larger than CUDA allows, or `shared` is."""
    sizes = _three(entry, "grid", grid, GRID_LIMIT), _three(entry, "block", block, BLOCK_LIMIT)
    if math.prod(sizes[1]) > THREAD_LIMIT:
        raise ValueError(f"kernel {entry}: got block {block}, expected at most {THREAD_LIMIT} threads in all")
    if not 0 <= shared <= SHARED_LIMIT:
        raise ValueError(f"kernel {entry}: got {shared} bytes of shared memory, expected 0 to {SHARED_LIMIT}")
    return sizes


def _three(entry: str, what: str, size: Size, limits: Grid) -> Grid:
    given = size if isinstance(size, tuple) else (size,)
    full = tuple(map(operator.index, given + (1,) * (3 - len(given))))
    if len(full) != 3 or any(not 1 <= n <= limit for n, limit in zip(full, limits, strict=True)):
        raise ValueError(f"kernel {entry}: got {what} {size}, expected one to three numbers, 1 to {limits}")
    return full
