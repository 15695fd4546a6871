"""Joining batches: several arrays as one."""

from __future__ import annotations

from gpunet.backend.arrays import Array, array_module, device_of, operation
from gpunet.kernels import arrays


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
def _(*parts: Array) -> Array:
    """On the GPU one launch instead of a copy for each; on the CPU no kernel beats the C library's copies."""
    if device_of(parts[0]) == "cpu" or not arrays.can_join(parts):
        return join.reference(*parts)
    if any(part.shape[1:] != parts[0].shape[1:] for part in parts):
        raise ValueError(f"got shapes {[part.shape for part in parts]}, expected the same but for the first axis")
    return arrays.join(parts)
