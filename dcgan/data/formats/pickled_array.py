"""How NumPy writes an array of bytes into a pickle, read as plain data.

_reconstruct(ndarray, (0,), b"b")        an array, to be filled
dtype("u1", ...)                         its type
BUILD (1, shape, dtype, order, bytes)    its content
_codecs.encode(text, "latin1")           how Python 3 writes bytes into an old pickle
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Name:
    """What a pickle calls, by module and name; it is compared, never looked up."""

    module: str
    name: str


@dataclass
class Array:
    """An array announced; BUILD gives it its value."""

    value: np.ndarray | None = None


@dataclass(frozen=True)
class ByteType:
    """NumPy's uint8, the only type taken."""


RECONSTRUCT = {Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
NDARRAY, DTYPE, ENCODE = Name("numpy", "ndarray"), Name("numpy", "dtype"), Name("_codecs", "encode")


def meaning(callee: Name, arguments: tuple) -> Any:
    """What a call in an array's pickle stands for. Raises ValueError for every other call."""
    if callee in RECONSTRUCT and arguments[:1] == (NDARRAY,):
        return Array()
    if callee == DTYPE and arguments[:1] in (("u1",), (b"u1",)):
        return ByteType()
    if callee == ENCODE and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    given = f" with {arguments[0]!r:.40}" if callee == DTYPE and arguments else ""
    raise ValueError(f"the pickle wants to call {callee.module}.{callee.name}{given}: refused, nothing was executed")


def built(state: tuple) -> np.ndarray:
    """The array of a BUILD state. Raises ValueError where that is not one of bytes in C or Fortran order."""
    fits = (
        len(state) == 5 and isinstance(state[1], tuple) and isinstance(state[2], ByteType) and type(state[4]) is bytes
    )
    if not fits:
        raise ValueError("damaged pickle: an array that is not of bytes")
    _, shape, _, fortran, content = state
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
