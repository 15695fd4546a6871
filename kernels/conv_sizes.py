"""The sizes of a convolution as its kernels take them, checked."""

from __future__ import annotations

from typing import Any, NamedTuple

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


class Conv(NamedTuple):
    """The sizes that every kernel takes, in the kernels' order; pads at the top and left."""

    n: int
    h: int
    w: int
    c: int
    oh: int
    ow: int
    f: int
    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int


def output_size(hw: Pair, kernel: Pair, stride: Pair, pads: Pads) -> Pair:
    """Return the size (OH, OW) of what a convolution makes of an image (H, W)."""
    oh, ow = ((size + sum(p) - k) // s + 1 for size, k, s, p in zip(hw, kernel, stride, pads, strict=True))
    return oh, ow


def fitting(x: Any, weight: Any, y: Any, stride: Pair, pads: Pads) -> Conv:
    """Return the sizes of a convolution. ValueError: they do not fit each other, or the kernels' 32-bit indices."""
    (n, h, w, c), (kh, kw, _, f), (_, oh, ow, _) = x.shape, weight.shape, y.shape
    (top, bottom), (left, right), (sh, sw) = *pads, stride
    fits = (h + top + bottom - kh) // sh + 1 >= oh and (w + left + right - kw) // sw + 1 >= ow
    if weight.shape[2] != c or y.shape[3] != f or y.shape[0] != n or not fits:
        raise ValueError(
            f"got x {x.shape}, weight {weight.shape} and y {y.shape}, expected (N, H, W, C), (KH, KW, C, F) and "
            f"(N, OH, OW, F) of a convolution with stride {stride} and padding {pads}"
        )
    if max(x.size, weight.size, y.size) >= 2**31:
        raise ValueError(
            f"got arrays of {x.size}, {weight.size}, {y.size} numbers, expected < 2^31: use smaller batches"
        )
    return Conv(n, h, w, c, oh, ow, f, kh, kw, sh, sw, top, left)


def sizes_of(x: Any, weight: Any, y: Any, stride: Pair, pads: Pads) -> Conv:
    """Return the same; where the one patch is the whole image, as a plain matrix product: images of one pixel."""
    g = fitting(x, weight, y, stride, pads)
    if (g.kh, g.kw, g.oh, g.ow) == (g.h, g.w, 1, 1) and not (g.top or g.left):
        return Conv(g.n, 1, 1, g.h * g.w * g.c, 1, 1, g.f, 1, 1, 1, 1, 0, 0)
    return g
