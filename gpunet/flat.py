"""Several arrays as views of one flat buffer, so that one pass over the buffer reaches them all.

Each view begins at a multiple of ALIGNED numbers. The gaps between views hold zeros, and what Adam or an average makes
of zeros is zero. With arrays of 6 and 4 numbers the buffer has 128: the first view is [0:6], the second [64:68].
"""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.backend.devices import Array, array_module

ALIGNED = 64  # numbers: then a kernel can read 16 bytes at a time wherever a view begins


def room(array: Array) -> int:
    """Return how many numbers of a buffer an array takes, the gap behind it included."""
    return -(-array.size // ALIGNED) * ALIGNED


def buffer(arrays: Sequence[Array], like: Array) -> Array:
    """Return a new buffer for these arrays, full of zeros, on the device and with the dtype of another array."""
    return array_module(like).zeros(sum(map(room, arrays)), like.dtype)


def views(flat: Array, arrays: Sequence[Array]) -> list[Array]:
    """Return views of a buffer in the shapes of these arrays, in their order."""
    found, start = [], 0
    for array in arrays:
        found.append(flat[start : start + array.size].reshape(array.shape))
        start += room(array)
    return found


def packed(flat: Array, arrays: Sequence[Array]) -> Array:
    """Return a copy of a buffer's numbers without the gaps: checkpoints hold them so."""
    return array_module(flat).concatenate([view.ravel() for view in views(flat, arrays)])


def unpack(numbers: Array, flat: Array, arrays: Sequence[Array]) -> None:
    """Write numbers without gaps, on the buffer's device, into a buffer: the inverse of `packed`."""
    start = 0
    for view in views(flat, arrays):
        view[...] = numbers[start : start + view.size].reshape(view.shape)
        start += view.size
