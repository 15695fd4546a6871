"""The checks before a launch. A wrong argument would otherwise be read as garbage: neither C nor CuPy checks any."""

from __future__ import annotations

import ctypes
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels.signature import Entry, Parameter

Grid = tuple[int, int, int]
# CUDA's limits hold on the CPU too, so that a launch that works here works there.
GRID_LIMIT, BLOCK_LIMIT, THREAD_LIMIT, SHARED_LIMIT = (2**31 - 1, 65535, 65535), (1024, 1024, 64), 1024, 227 * 1024
DATA = object.__basicsize__  # where an ndarray object keeps its data pointer: just after the object's head


def numpy_address(array: np.ndarray) -> int:
    """Return the address of an array's data; the same as array.ctypes.data, in a tenth of its time."""
    return ctypes.c_void_p.from_address(id(array) + DATA).value or 0


_probe = np.zeros(1)
if numpy_address(_probe) != _probe.ctypes.data:  # another Python or NumPy than the ones known

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
    if array is None and p.optional:
        return 0
    if device == "cpu":
        if type(array) is not np.ndarray:
            raise TypeError(_text(p, f"got {_kind(array)}", "a NumPy array like the others", "move it by to_device"))
        address = numpy_address(array)
        if p.writes and not array.flags.writeable:
            raise ValueError(_text(p, "got a read-only array", "one that the kernel may write to", "copy it"))
    else:
        if not hasattr(array, "__cuda_array_interface__"):
            raise TypeError(_text(p, f"got {_kind(array)}", "a CuPy array like the others", "move it by to_device"))
        address = array.data.ptr
    if array.dtype != p.dtype:
        raise TypeError(_text(p, f"got dtype {array.dtype}", str(p.dtype), "convert it by .astype"))
    if not array.flags.c_contiguous:
        raise ValueError(_text(p, "got a view with gaps or another order", "C-contiguous", "ascontiguousarray"))
    if address % p.alignment:
        raise ValueError(_text(p, f"got address {address:#x}", f"a multiple of {p.alignment}", "copy it to a new array"))
    return address


def _scalar(p: Parameter, value: Any) -> Any:
    if p.dtype.kind == "f":
        if isinstance(value, int | float | np.floating | np.integer):
            return float(value)
        raise TypeError(_text(p, f"got {_kind(value)}", "a number", "pass float(x)"))
    if p.dtype.kind == "b":
        return bool(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(_text(p, f"got {_kind(value)}", "an integer", "pass int(x)")) from None
    limits = np.iinfo(p.dtype)
    if not limits.min <= number <= limits.max:
        raise ValueError(_text(p, f"got {number}", f"{limits.min} to {limits.max}", "use smaller arrays"))
    return number


def _kind(value: Any) -> str:
    kind = type(value)
    return "None" if value is None else f"a {kind.__module__.partition('.')[0]} {kind.__name__}"


def _text(p: Parameter, got: str, expected: str, remedy: str) -> str:
    return f"argument `{p.name}`: {got}, expected {expected}: {remedy}"


def grid_of(entry: str, size: int | Sequence[int], limits: Sequence[int], what: str) -> Grid:
    """Return a grid or block as three ints. ValueError: it is empty or larger than CUDA allows."""
    given = (size,) if isinstance(size, int) else tuple(map(operator.index, size))
    full = given + (1,) * (3 - len(given))
    if len(full) != 3 or any(not 1 <= n <= limit for n, limit in zip(full, limits, strict=False)):
        raise ValueError(f"kernel {entry}: got {what} {given}, expected 1 to {tuple(limits)}")
    if limits is BLOCK_LIMIT and math.prod(full) > THREAD_LIMIT:
        raise ValueError(f"kernel {entry}: got {what} {given}, expected at most {THREAD_LIMIT} threads in all")
    return full  # type: ignore[return-value]
