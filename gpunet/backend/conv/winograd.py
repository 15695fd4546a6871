"""The Winograd form of convolution (Winograd / Toom-Cook after space-to-depth): fewer multiplications.

A convolution with kernel k and stride s is, over cells of s x s pixels taken as s*s*C channels (space-to-depth), a
stride-1 convolution with r = ceil(k / s) taps. A tile of m x m outputs then takes t*t products, t = m + r - 1, instead
of m*m*r*r:

    V = (B x B) patches(x)      (t*t, T, K)    T tiles, K = s*s*C
    U = (G x G) weight          (t*t, K, F)
    M = V U                     (t*t, T, F)    t*t matrix products: all the arithmetic is here
    y = (A x A) M               (m*m, T, F)

The gradients are the transposes of these lines: with E = (A x A)^T dy, dV = E U^T and dU = V^T E. docs/convolution.md
derives it. k4 s2 takes 9/16 of the multiplications with m = 2 and 25/64 with m = 4; k5 s2 takes 0.49 and 0.30 (tiles.py
says how). The six transforms are here; the products between them are matmul.matmul_stack.

The kernels are in kernels/winograd/, one file for each size of tile and number of taps.
"""

from __future__ import annotations

import math

from gpunet import kernels
from gpunet.backend.conv.tiles import ALL, Index, Tiling, add_tiles, padded_cells, tile_patches
from gpunet.backend.devices import Array, array_module, device_of, on_cuda, operation
from gpunet.backend.launches import empty, largest_divisor, plane_buffer, planes
from gpunet.backend.threads import run


def _launch(name: str, tiling: Tiling, grid: tuple[int, int], channels: int, args: tuple) -> None:
    """Launch winograd_`name` over grid (x, y); x is multiplied by the number of blocks that the channels need."""
    block = largest_divisor(channels, 256 if on_cuda(args[0]) else 1024)  # a GPU's registers suffice for no more
    grid = grid[0] * (channels // block), grid[1]
    kernels.launch(f"winograd/winograd{tiling.m}x{tiling.r}.winograd_{name}", grid, block, args)


def _image_sizes(tiling: Tiling) -> tuple[int, ...]:
    return *tiling.hw, tiling.c, tiling.s, int(tiling.odd_have_fewer), *tiling.top_left, *tiling.tiles


def _multiply_into(target: Array, key: tuple, matrix: Array, operand: Array) -> None:
    """Write matrix @ operand into target[key]. A slice in front says that target[key] is one block: no copy."""
    if isinstance(key[0], slice):
        array_module(target).matmul(matrix, operand, out=target[key].reshape(len(matrix), -1))
    else:
        shape = len(matrix), *target[0][key[1:]].shape
        target[key] = (matrix @ operand).reshape(shape)


# ---- x -> V, and dV -> dx -------------------------------------------------------------------------------------------


@operation
def transform_input(x: Array, tiling: Tiling) -> Array:
    """V = (B x B) patches: x (N, H, W, C) -> (t*t, N*TH*TW, K)."""
    t, n = tiling.t, x.shape[0]
    out = planes(x, t * t, n * math.prod(tiling.tiles), tiling.depth)
    v = out.reshape(t * t, n, -1, tiling.s**2, tiling.c)
    groups = [(phases, tiling.matrices(x, phases)[2]) for phases in tiling.phases]

    def transform(images: slice) -> None:
        patches = tile_patches(padded_cells(x[images], tiling), tiling)  # (t, t, images, TH, TW, s, s, C)
        for phases, b in groups:
            down, across = phases.fewer
            part = patches[: t - down, : t - across, ..., phases.rows, phases.columns, :]
            _multiply_into(v, (phases.points, images, ALL, phases.place), b, part.reshape(len(b), -1))

    run(transform, tiling.image_blocks(n, tiling.depth, device_of(x)))
    return out


@transform_input.kernel
def transform_input_kernel(x: Array, tiling: Tiling) -> Array:
    v = planes(x, tiling.t**2, x.shape[0] * math.prod(tiling.tiles), tiling.depth)
    buffer = plane_buffer(v)
    grid = math.prod(tiling.tiles) * tiling.s**2, x.shape[0]
    _launch("input", tiling, grid, tiling.c, (buffer, x, *_image_sizes(tiling), buffer.shape[1]))
    return v


@operation
def transform_input_adjoint(dv: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    """Add dV (t*t, N*TH*TW, K) back to where it came from, plus bias (C,): dx (N, H, W, C)."""
    xp, t, s, c = array_module(dv), tiling.t, tiling.s, tiling.c
    (th, tw), (h, w), (top, left) = tiling.tiles, tiling.hw, tiling.top_left
    dv = dv.reshape(t * t, -1, th * tw, s * s, c)
    n = dv.shape[1]
    dx = xp.zeros((n, h, w, c), dv.dtype)  # pixels that no window reaches stay zero
    groups = [(phases, tiling.matrices(dv, phases)[2]) for phases in tiling.phases]

    def transform(images: slice) -> None:
        patches = (xp.zeros if tiling.odd_have_fewer else xp.empty)(dv[:, images].shape, dv.dtype)
        for phases, b in groups:
            part = dv[phases.points, images, :, phases.place].reshape(len(b), -1)
            _multiply_into(patches, (phases.cells, ALL, ALL, phases.pixels), b.T, part)
        padded = add_tiles(patches.reshape(t, t, -1, th, tw, s, s, c), tiling)
        inside = padded[:, top : top + h, left : left + w]
        dx[images, : inside.shape[1], : inside.shape[2]] = inside
        if bias is not None:
            dx[images] += bias

    run(transform, tiling.image_blocks(n, tiling.depth, device_of(dv)))
    return dx


@transform_input_adjoint.kernel
def transform_input_adjoint_kernel(dv: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    n = dv.shape[1] // math.prod(tiling.tiles)
    dx = empty(dv, n, *tiling.hw, tiling.c)
    down, across = (  # pieces of m pixels of one phase that cover dx, for all phases
        sum(-(-((size - 1 + before - phase) // tiling.s + 1) // tiling.m) for phase in range(tiling.s))
        for size, before in zip(tiling.hw, tiling.top_left, strict=True)
    )
    buffer = plane_buffer(dv)
    args = (dx, buffer, bias, *_image_sizes(tiling), across, buffer.shape[1])
    _launch("input_adjoint", tiling, (down * across, n), tiling.c, args)
    return dx


# ---- weight -> U, and dU -> dweight ---------------------------------------------------------------------------------


@operation
def transform_weight(weight: Array, tiling: Tiling) -> Array:
    """U = (G x G) weight: (KH, KW, C, F) -> (t*t, K, F)."""
    f, phases = weight.shape[3], tiling.s**2
    u = array_module(weight).empty((tiling.t**2, phases, tiling.c * f), weight.dtype)

    def transform(place: int) -> None:
        points, g, taps = _taps(tiling, weight, place)
        _multiply_into(u, (points, place), g, taps.reshape(g.shape[1], -1))

    run(transform, range(phases), device_of(weight))
    return u.reshape(tiling.t**2, tiling.depth, f)


@transform_weight.kernel
def transform_weight_kernel(weight: Array, tiling: Tiling) -> Array:
    k, _, c, f = weight.shape
    u = planes(weight, tiling.t**2, tiling.depth, f)
    buffer = plane_buffer(u)
    args = (buffer, weight, k, c, f, tiling.s, int(tiling.odd_have_fewer), buffer.shape[1])
    _launch("weight", tiling, (c, tiling.s**2), f, args)
    return u


@operation
def transform_weight_adjoint(du: Array, tiling: Tiling, out: Array | None = None) -> Array:
    """Turn dU (t*t, K, F) into dweight (KH, KW, C, F), in `out` if given."""
    k, phases, f = tiling.k, tiling.s**2, du.shape[2]
    dweight = array_module(du).empty((k, k, tiling.c, f), du.dtype) if out is None else out
    du = du.reshape(tiling.t**2, phases, -1)

    def transform(place: int) -> None:
        points, g, taps = _taps(tiling, dweight, place)
        taps[...] = (g.T @ du[points, place]).reshape(taps.shape)

    run(transform, range(phases), device_of(du))
    return dweight


@transform_weight_adjoint.kernel
def transform_weight_adjoint_kernel(du: Array, tiling: Tiling, out: Array | None = None) -> Array:
    k, c, f = tiling.k, tiling.c, du.shape[2]
    dweight = empty(du, k, k, c, f) if out is None else out
    buffer = plane_buffer(du)
    args = (dweight, buffer, k, c, f, tiling.s, int(tiling.odd_have_fewer), buffer.shape[1])
    _launch("weight_adjoint", tiling, (c, tiling.s**2), f, args)
    return dweight


def _taps(tiling: Tiling, weight: Array, place: int) -> tuple[Index, Array, Array]:
    """Return the products of the pixel at a place of depth, their G x G, and the pixel's taps (down, across, C, F)."""
    phases = tiling.phases[place if tiling.odd_have_fewer else 0]
    pixel = phases.pixels.start if tiling.odd_have_fewer else place
    taps = weight[pixel // tiling.s :: tiling.s, pixel % tiling.s :: tiling.s]
    g, (down, across) = tiling.matrices(weight, phases)[1], phases.fewer
    g = g.reshape(-1, tiling.r - down, tiling.r - across)[:, : taps.shape[0], : taps.shape[1]]  # other taps are zero
    return phases.points, g.reshape(len(g), -1), taps


# ---- M -> y, and dy -> E --------------------------------------------------------------------------------------------


@operation
def transform_output(m: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    """y = (A x A) M, plus bias (F,): (t*t, N*TH*TW, F) -> (N, OH, OW, F)."""
    xp, size, f = array_module(m), tiling.m, m.shape[2]
    (th, tw), (oh, ow) = tiling.tiles, tiling.out
    m = m.reshape(tiling.t**2, -1, th * tw * f)
    y = xp.empty((m.shape[1], oh, ow, f), m.dtype)
    a = tiling.matrices(m)[0]

    def transform(images: slice) -> None:
        tile = (a @ m[:, images].reshape(tiling.t**2, -1)).reshape(size, size, -1, th, tw, f)
        whole = tile.transpose(2, 3, 0, 4, 1, 5).reshape(-1, th * size, tw * size, f)
        y[images] = whole[:, :oh, :ow]
        if bias is not None:
            y[images] += bias

    run(transform, tiling.image_blocks(y.shape[0], f, device_of(m)))
    return y


@transform_output.kernel
def transform_output_kernel(m: Array, tiling: Tiling, bias: Array | None = None) -> Array:
    n, f = m.shape[1] // math.prod(tiling.tiles), m.shape[2]
    y = empty(m, n, *tiling.out, f)
    buffer = plane_buffer(m)
    args = (y, buffer, bias, *tiling.out, f, *tiling.tiles, buffer.shape[1])
    _launch("output", tiling, (math.prod(tiling.tiles), n), f, args)
    return y


@operation
def transform_output_adjoint(dy: Array, tiling: Tiling) -> Array:
    """E = (A x A)^T dy: (N, OH, OW, F) -> (t*t, N*TH*TW, F)."""
    xp, size, (n, oh, ow, f) = array_module(dy), tiling.m, dy.shape
    th, tw = tiling.tiles
    out = planes(dy, tiling.t**2, n * th * tw, f)
    e, a = out.reshape(tiling.t**2, n, -1), tiling.matrices(dy)[0]

    def transform(images: slice) -> None:
        whole = dy[images]
        if (oh, ow) != (th * size, tw * size):
            whole = xp.zeros((len(dy[images]), th * size, tw * size, f), dy.dtype)
            whole[:, :oh, :ow] = dy[images]
        tile = whole.reshape(-1, th, size, tw, size, f).transpose(2, 4, 0, 1, 3, 5).reshape(size * size, -1)
        xp.matmul(a.T, tile, out=e[:, images].reshape(tiling.t**2, -1))

    run(transform, tiling.image_blocks(n, f, device_of(dy)))
    return out


@transform_output_adjoint.kernel
def transform_output_adjoint_kernel(dy: Array, tiling: Tiling) -> Array:
    n, _, _, f = dy.shape
    e = planes(dy, tiling.t**2, n * math.prod(tiling.tiles), f)
    buffer = plane_buffer(e)
    args = (buffer, dy, *tiling.out, f, *tiling.tiles, buffer.shape[1])
    _launch("output_adjoint", tiling, (math.prod(tiling.tiles), n), f, args)
    return e
