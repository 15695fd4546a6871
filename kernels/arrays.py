"""Launches of arrays.cu: joining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.kernels.launches import contiguous, elements, empty

AT_ONCE = 4  # arrays that one launch joins
WORD = 4  # bytes


def can_join(arrays: Sequence[Any]) -> bool:
    """Return whether `join` takes these arrays: at most four of one dtype, of whole words."""
    return len(arrays) <= AT_ONCE and all(a.dtype == arrays[0].dtype and a.itemsize % WORD == 0 for a in arrays)


def join(arrays: Sequence[Any]) -> Any:
    """Return the arrays one after another along the first axis, in one launch."""
    first = arrays[0]
    joined = empty(first, sum(map(len, arrays)), *first.shape[1:])
    parts = [contiguous(array).reshape(-1).view("uint32") for array in arrays]
    ends = [sum(part.size for part in parts[: i + 1]) for i in range(AT_ONCE)]
    parts += [None] * (AT_ONCE - len(parts))
    words = joined.reshape(-1).view("uint32")
    elements("arrays.join", (words, *parts, *ends), words.size)
    return joined
