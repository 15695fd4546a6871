"""The t*t matrix products between the transforms of a Winograd convolution: all its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.backend.arrays import Array, array_module, device_of, operation
from gpunet.backend.conv_choice import kernel_file
from gpunet.backend.parallel import run
from gpunet.backend.phases import ALL
from gpunet.backend.tiling import planes
from gpunet.kernels import conv2d as tiled
from gpunet.kernels import products as on_cpu

ROWS, DEPTH, COLUMNS = range(3)


@operation
def products(a: Array, b: Array, spans: Sequence[slice] | None = None, axis: int = DEPTH) -> Array:
    """Return the matrix products a[p] b[p]: (P, M, K) by (P, K, N); either may be a view transposed.

    spans[p]: the part of M, K or N (axis ROWS, DEPTH or COLUMNS) that product p is restricted to; of M and N, what lies
    outside is left as it is in memory, without a meaning.
    """
    xp, count, columns = array_module(a), len(a), b.shape[2]
    out = planes(count, a.shape[1], columns, a)
    tasks = [(p, *_cut(spans, axis, p)) for p in range(count)]
    if spans is None and count % 2 and columns > 1:  # else an even number of threads would wait for the last product
        tasks[-1:] = [(count - 1, ALL, ALL, half) for half in (slice(columns // 2), slice(columns // 2, None))]

    def multiply(task: tuple[int, slice, slice, slice]) -> None:
        p, rows, depth, cols = task
        xp.matmul(a[p][rows, depth], b[p][depth, cols], out=out[p][rows, cols])

    run(multiply, tasks)
    return out


@products.kernel
def _(a: Array, b: Array, spans: Sequence[slice] | None = None, axis: int = DEPTH) -> Array:
    out = planes(a.shape[0], a.shape[1], b.shape[2], a)
    if device_of(a) == "cpu":
        on_cpu.products(a, b, out, spans, axis)
        return out
    for p in range(a.shape[0]):
        rows, depth, columns = _cut(spans, axis, p)
        _product(kernel_file("cuda", a.dtype), a[p][rows, depth], b[p][depth, columns], out[p][rows, columns])
    return out


def _cut(spans: Sequence[slice] | None, axis: int, p: int) -> list[slice]:
    """Return the rows, the depth and the columns of product p."""
    return [spans[p] if spans and i == axis else ALL for i in (ROWS, DEPTH, COLUMNS)]


def _product(stem: str, a: Array, b: Array, out: Array) -> None:
    """out = a b by our tiled kernels, which read a transposed factor as it lies in memory."""
    if a.strides[1] > a.itemsize:
        out[...] = tiled.linear_weight_grad(stem, a.T, b)
    elif b.strides[1] > b.itemsize:
        out[...] = tiled.linear_input_grad(stem, a, b.T)
    else:
        out[...] = tiled.linear(stem, a, b)
