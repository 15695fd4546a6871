"""Joining batches: several arrays as one, one after another along the first axis (kernels/arrays.cu)."""

from __future__ import annotations

from gpunet.backend.devices import Array, array_module, on_cuda, operation
from gpunet.backend.launches import contiguous, elements, empty

AT_ONCE = 4  # arrays that one launch joins
WORD = 4  # bytes; the kernel copies words, whatever the numbers in them mean


@operation
def join(*parts: Array) -> Array:
    """Return arrays of one dtype one after another along the first axis."""
    first, rows = parts[0], [len(part) for part in parts]
    joined, end = array_module(first).empty((sum(rows), *first.shape[1:]), first.dtype), 0
    for part, count in zip(parts, rows, strict=True):
        joined[end : end + count] = part
        end += count
    return joined


@join.kernel
def join_kernel(*parts: Array) -> Array:
    """On the GPU one launch instead of a copy for each; on the CPU no kernel beats the C library's copies."""
    if not on_cuda(parts[0]) or not fit_one_launch(*parts):
        return join.reference(*parts)
    if any(part.shape[1:] != parts[0].shape[1:] for part in parts):
        raise ValueError(f"got shapes {[part.shape for part in parts]}, expected the same but for the first axis")
    return launch_join(*parts)


def fit_one_launch(*parts: Array) -> bool:
    """Return whether one launch joins these arrays: at most four of one dtype, of whole words."""
    first = parts[0]
    return len(parts) <= AT_ONCE and all(a.dtype == first.dtype and a.itemsize % WORD == 0 for a in parts)


def launch_join(*parts: Array) -> Array:
    """Return the arrays joined, in one launch."""
    first = parts[0]
    joined = empty(first, sum(map(len, parts)), *first.shape[1:])
    in_words = [contiguous(array).reshape(-1).view("uint32") for array in parts]
    ends = [sum(part.size for part in in_words[: i + 1]) for i in range(AT_ONCE)]  # in words, of each part
    none = [None] * (AT_ONCE - len(parts))
    words = joined.reshape(-1).view("uint32")
    elements("arrays.join", (words, *in_words, *none, *ends), words.size)
    return joined
