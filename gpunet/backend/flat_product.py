"""One large matrix product on the CPU by products.cpp, as a stack of smaller ones where that keeps more cores busy.

Products.cpp shares out planes and columns. Where a result has few columns, its rows or the sums are therefore cut into
planes, by the shapes alone: the numbers are the same with any count of threads.
"""

from __future__ import annotations

import numpy as np

from gpunet.backend.arrays import written
from gpunet.backend.parallel import matmul
from gpunet.kernels.launches import largest_divisor
from gpunet.kernels.memory import empty
from gpunet.kernels.products import products

NARROW = 16  # rows or columns, below which BLAS is faster
WIDE = 512  # columns from which on they are tasks enough
PLANES = 16  # that rows or sums are cut into, at most


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the matrix product a b, (M, K) by (K, N), in `out` if given; either factor may be a transposed view."""
    (m, k), n = a.shape, b.shape[1]
    if min(m, n) < NARROW or k < 2:
        return matmul(a, b, out)
    y = out if out is not None and out.flags.c_contiguous else empty(a, m, n)
    if n >= WIDE:
        products(a[None], b[None], y[None])
    elif m >= k:
        count = largest_divisor(m, PLANES)
        products(a.reshape(count, -1, k), np.broadcast_to(b, (count, k, n)), y.reshape(count, -1, n))
    else:
        count = largest_divisor(k, PLANES)
        parts = empty(a, count, m, n)
        products(a.reshape(m, count, -1).transpose(1, 0, 2), b.reshape(count, -1, n), parts)
        parts.sum(axis=0, out=y)
    return written(y, out)
