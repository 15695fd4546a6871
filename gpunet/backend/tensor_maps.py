"""Tensor maps: what the TMA of a Hopper GPU is told about an array before it copies boxes (kernels/conv2d_wgmma/).

The driver writes a map, 128 bytes, from the array's address and shape; a kernel gets it by value. There are two kinds:

    TiledMap   an array (planes, rows, columns); a copy takes a box of 64 rows and 64 columns of a plane
    Im2colMap  images (N, H, W, C); a copy takes 64 channels of 64 pixels. The pixels lie in a bounding box of each
               image, `stride` apart: a copy goes along the box's lines, on to its next line and to the next image

Numbers have 16 bits. A copy writes a square, 64 lines of 128 bytes, whose 16-byte chunks are exchanged as squares.cuh
says; what lies outside the array is written as zeros. The rules that `problem` checks are those of the CUDA driver API,
"Tensor Map Object Management": cuTensorMapEncodeTiled and cuTensorMapEncodeIm2col.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from gpunet.backend.sizes import Pair

SIDE = 64  # numbers, rows or pixels of a square (kernels/conv2d_wgmma/squares.cuh)
NUMBER = 2  # bytes
BYTES, ALIGNMENT = 128, 64  # of a map
LIBRARY = "libcuda.so.1"
# Values of enumerations in cuda.h: CUtensorMapDataType, ...Interleave, ...Swizzle, ...L2promotion, ...FloatOOBfill.
DATA_TYPES = {"fp16": 6, "bf16": 9}
NO_INTERLEAVE, SWIZZLE_128_BYTES, L2_OF_256_BYTES, ZEROS_OUTSIDE = 0, 3, 3, 0
CORNERS = range(-128, 128)  # of a bounding box in two dimensions
OFFSETS = range(256)  # rows or columns from a pixel of the box to the one that is read
MOST_STRIDE, STRIDE_LIMIT, SIZE_LIMIT = 8, 2**40, 2**32  # pixels; bytes; along an axis


class TiledMap(NamedTuple):
    """A map of an array (planes, rows, columns)."""

    shape: tuple[int, int, int]

    def problem(self) -> str | None:
        """Return why there is no such map, None where there is one."""
        return _problem_of_shape(self.shape)


class Im2colMap(NamedTuple):
    """A map of images (N, H, W, C) and a bounding box; pairs are (down, across).

    The box begins `lower` pixels from the image's first one and has `pixels` of them, `stride` apart. Example: lines of
    8 pixels, lower -1, stride 2, 4 pixels: -1, 1, 3, 5. The driver is told the last one as `upper`,
    counted from the image's last pixel: 5 - 7 = -2.
    """

    shape: tuple[int, int, int, int]
    lower: Pair
    pixels: Pair
    stride: Pair

    @property
    def upper(self) -> Pair:
        """The last pixel of the box, counted from the last pixel of the image."""
        down, across = (
            low + (pixels - 1) * stride - (size - 1)
            for low, pixels, stride, size in zip(self.lower, self.pixels, self.stride, self.shape[1:3], strict=True)
        )
        return down, across

    def problem(self) -> str | None:
        """Return why there is no such map, None where there is one."""
        if any(corner not in CORNERS for corner in (*self.lower, *self.upper)):
            return f"a bounding box from {self.lower} to {self.upper} past the end, expected -128 to 127"
        if max(self.stride) > MOST_STRIDE:
            return f"a stride of {self.stride}, expected at most {MOST_STRIDE}"
        return _problem_of_shape(self.shape)


def _problem_of_shape(shape: Sequence[int]) -> str | None:
    if not all(1 <= size <= SIZE_LIMIT for size in shape):
        return f"an array of shape {tuple(shape)}, expected 1 to 2^32 along each axis"
    if shape[-1] * NUMBER % 16:
        return f"lines of {shape[-1]} numbers, expected a multiple of 8"
    if max(_strides(shape)) >= STRIDE_LIMIT:
        return f"an array of shape {tuple(shape)}, expected fewer than 2^40 bytes"
    return None


def _strides(shape: Sequence[int]) -> list[int]:
    """Return the bytes from one place to the next along each axis but the last, the innermost axis first."""
    return list(itertools.accumulate(reversed(shape[1:]), lambda size, n: size * n, initial=NUMBER))[1:]


def encoded(wanted: TiledMap | Im2colMap, address: int, precision: str) -> bytes:
    """Return the map's 128 bytes for an array of "bf16" or "fp16" numbers that begins at an address of the GPU.

    Raises ValueError for a map that breaks a rule, RuntimeError where the driver has no tensor maps.
    """
    problem = wanted.problem() or (f"address {address:#x}, expected a multiple of 16" if address % 16 else None)
    if problem:
        raise ValueError(f"tensor map: got {problem}")
    room = ctypes.create_string_buffer(BYTES + ALIGNMENT)
    begin = -ctypes.addressof(room) % ALIGNMENT
    name, array = "cuTensorMapEncodeTiled", _unsigned(ctypes.c_uint64)
    shape, middle = wanted.shape, [_unsigned(ctypes.c_uint32)(SIDE, SIDE, 1)]
    strides = [1, 1, 1]
    if isinstance(wanted, Im2colMap):
        name, strides = "cuTensorMapEncodeIm2col", [1, *reversed(wanted.stride), 1]
        # The driver API calls a corner "{D, H, W}"; its axes stand as in the sizes, the innermost first: W, H.
        corners = [_unsigned(ctypes.c_int)(*reversed(corner)) for corner in (wanted.lower, wanted.upper)]
        middle = [*corners, ctypes.c_uint32(SIDE), ctypes.c_uint32(SIDE)]
    head = [ctypes.c_void_p(ctypes.addressof(room) + begin), DATA_TYPES[precision], ctypes.c_uint32(len(shape))]
    place = [ctypes.c_void_p(address), array(*reversed(shape)), array(*_strides(shape))]
    modes = NO_INTERLEAVE, SWIZZLE_128_BYTES, L2_OF_256_BYTES, ZEROS_OUTSIDE
    error = getattr(_driver(), name)(*head, *place, *middle, _unsigned(ctypes.c_uint32)(*strides), *modes)
    if error:
        raise RuntimeError(f"{name}: got error {error} for {wanted}, expected 0: the driver refuses the map")
    return room.raw[begin : begin + BYTES]


def _unsigned(kind: Any) -> Any:
    """Return a function that makes a C array of numbers of a kind."""
    return lambda *numbers: (kind * len(numbers))(*numbers)


@functools.cache
def _driver() -> Any:
    """Return the driver's library. RuntimeError: there is none, or it is older than tensor maps."""
    try:
        library = ctypes.CDLL(LIBRARY)
        library.cuTensorMapEncodeTiled, library.cuTensorMapEncodeIm2col  # noqa: B018  # AttributeError: too old
    except (OSError, AttributeError) as error:
        raise RuntimeError(f"got no tensor maps from {LIBRARY} ({error}), expected a driver of CUDA 12") from error
    return library
