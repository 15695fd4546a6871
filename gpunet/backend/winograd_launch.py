"""The launches of Winograd's transforms: kernels/winograd*.cu, one file per tile and tap size."""

from __future__ import annotations

import math

from gpunet import kernels
from gpunet.backend import winograd
from gpunet.backend.arrays import Array
from gpunet.backend.tiling import Tiling, plane_buffer, planes
from gpunet.kernels.launches import largest_divisor
from gpunet.kernels.memory import empty, on_cuda


def _launch(name: str, tiling: Tiling, grid: tuple[int, int], channels: int, args: tuple) -> None:
    """Launch winograd_`name` over grid (x, y), its x times as large as the channels need blocks."""
    block = largest_divisor(channels, 256 if on_cuda(args[0]) else 1024)  # a GPU's registers suffice for no more
    grid = grid[0] * (channels // block), grid[1]
    kernels.launch(f"winograd/winograd{tiling.m}x{tiling.r}.winograd_{name}", grid, block, args)


def _image_sizes(tiling: Tiling) -> tuple[int, ...]:
    return *tiling.hw, tiling.c, tiling.s, int(tiling.few), *tiling.top_left, *tiling.tiles


@winograd.transform_input.kernel
def _(x: Array, tiling: Tiling) -> Array:
    v = planes(tiling.t**2, x.shape[0] * math.prod(tiling.tiles), tiling.depth, x)
    buffer = plane_buffer(v)
    grid = math.prod(tiling.tiles) * tiling.s**2, x.shape[0]
    _launch("input", tiling, grid, tiling.c, (buffer, x, *_image_sizes(tiling), buffer.shape[1]))
    return v


@winograd.transform_input_adjoint.kernel
def _(dv: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    n = dv.shape[1] // math.prod(tiling.tiles)
    dx = empty(dv, n, *tiling.hw, tiling.c)
    down, across = (
        sum(-(-((size - 1 + before - phase) // tiling.s + 1) // tiling.m) for phase in range(tiling.s))
        for size, before in zip(tiling.hw, tiling.top_left, strict=True)
    )
    buffer = plane_buffer(dv)
    args = (dx, buffer, bias, *_image_sizes(tiling), across, buffer.shape[1])
    _launch("input_adjoint", tiling, (down * across, n), tiling.c, args)
    return dx


@winograd.transform_output.kernel
def _(m: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    n, f = m.shape[1] // math.prod(tiling.tiles), m.shape[2]
    y = empty(m, n, *tiling.out, f)
    buffer = plane_buffer(m)
    args = (y, buffer, bias, *tiling.out, f, *tiling.tiles, buffer.shape[1])
    _launch("output", tiling, (math.prod(tiling.tiles), n), f, args)
    return y


@winograd.transform_output_adjoint.kernel
def _(dy: Array, tiling: Tiling) -> Array:
    n, _, _, f = dy.shape
    e = planes(tiling.t**2, n * math.prod(tiling.tiles), f, dy)
    buffer = plane_buffer(e)
    args = (buffer, dy, *tiling.out, f, *tiling.tiles, buffer.shape[1])
    _launch("output_adjoint", tiling, (math.prod(tiling.tiles), n), f, args)
    return e


@winograd.transform_weight.kernel
def _(weight: Array, tiling: Tiling) -> Array:
    k, _, c, f = weight.shape
    u = planes(tiling.t**2, tiling.depth, f, weight)
    buffer = plane_buffer(u)
    args = (buffer, weight, k, c, f, tiling.s, int(tiling.few), buffer.shape[1])
    _launch("weight", tiling, (c, tiling.s**2), f, args)
    return u


@winograd.transform_weight_adjoint.kernel
def _(du: Array, tiling: Tiling, out: Array | None = None) -> Array:
    k, c, f = tiling.k, tiling.c, du.shape[2]
    dweight = empty(du, k, k, c, f) if out is None else out
    buffer = plane_buffer(du)
    args = (dweight, buffer, k, c, f, tiling.s, int(tiling.few), buffer.shape[1])
    _launch("weight_adjoint", tiling, (c, tiling.s**2), f, args)
    return dweight
