"""Factors for the tensor cores: arrays rounded to the format that is multiplied (kernels/factors.cu).

    tf32   float32 whose last 13 bits are 0: 10 bits of fraction
    bf16   uint16, which hold the bits of bfloat16 (NumPy has no such dtype): 7 bits of fraction
    fp16   float16: 10 bits of fraction, numbers up to 65504

A convolution reads each number of its factors many times. So they are rounded once, before, and 16-bit factors take
half the memory.
"""

from __future__ import annotations

from gpunet.backend.devices import Array
from gpunet.backend.launches import contiguous, elements, empty

DTYPES = {"tf32": "float32", "bf16": "uint16", "fp16": "float16"}


def rounded(x: Array, precision: str) -> Array:
    """Return x, float32, as a factor of this precision ("tf32", "bf16" or "fp16"): a new array."""
    x = contiguous(x)
    y = empty(x, *x.shape, dtype=DTYPES[precision])
    elements(f"factors.round_{precision}", (y, x, x.size), x.size)
    return y
