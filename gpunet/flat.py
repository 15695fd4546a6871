"""Several arrays as views of flat buffers, so that one pass over a buffer reaches many of them.

Matrices, kernels of convolutions included, lie in one buffer and vectors (biases, batch norm's numbers) in another:
only matrices are rounded for tensor cores. Each view begins at a multiple of ALIGNED numbers. The gaps between views
hold zeros, and what Adam or an average makes of zeros is zero. Example: vectors of 6 and 4 numbers have a buffer of
128; the first view is [0:6], the second [64:68].
"""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.backend.devices import Array, array_module

ALIGNED = 64  # numbers: then a kernel can read 16 bytes at a time wherever a view begins


def kinds(arrays: Sequence[Array]) -> list[list[int]]:
    """Return which arrays are matrices and which are vectors, by position; a kind that there is none of is left out."""
    matrices = [i for i, array in enumerate(arrays) if array.ndim > 1]
    vectors = [i for i, array in enumerate(arrays) if array.ndim <= 1]
    return [kind for kind in (matrices, vectors) if kind]


def room(array: Array) -> int:
    """Return how many numbers of a buffer an array takes, the gap behind it included."""
    return -(-array.size // ALIGNED) * ALIGNED


def buffers(arrays: Sequence[Array], like: Array) -> list[Array]:
    """Return new buffers for these arrays, one of each kind, full of zeros; device and dtype are those of `like`."""
    sizes = [sum(room(arrays[i]) for i in kind) for kind in kinds(arrays)]
    return [array_module(like).zeros(size, like.dtype) for size in sizes]


def views(flat: Sequence[Array], arrays: Sequence[Array]) -> list[Array]:
    """Return views of buffers in the shapes of these arrays, in their order."""
    found: dict[int, Array] = {}
    for buffer, kind in zip(flat, kinds(arrays), strict=True):
        start = 0
        for i in kind:
            found[i] = buffer[start : start + arrays[i].size].reshape(arrays[i].shape)
            start += room(arrays[i])
    return [found[i] for i in range(len(arrays))]


def packed(flat: Sequence[Array], arrays: Sequence[Array]) -> Array:
    """Return a copy of the buffers' numbers in the order of the arrays, without the gaps: checkpoints hold them so."""
    return array_module(flat[0]).concatenate([view.ravel() for view in views(flat, arrays)])


def unpack(numbers: Array, flat: Sequence[Array], arrays: Sequence[Array]) -> None:
    """Write such numbers, on the buffers' device, into buffers: the inverse of `packed`."""
    start = 0
    for view in views(flat, arrays):
        view[...] = numbers[start : start + view.size].reshape(view.shape)
        start += view.size
