"""Patches (im2col) and their adjoint: the two data movements that turn a convolution into one matrix product.

Notation, here and in conv.py: N images, H x W in, C channels, kernel KH x KW, stride SH x SW, OH x OW out, and
pads = ((top, bottom), (left, right)). Channels are last, so a patch row of KW neighbouring pixels is one contiguous run
of KW*C numbers and gathering is a copy of runs.
"""

from __future__ import annotations

from gpunet.backend.arrays import Array, array_module

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def output_size(size: int, kernel: int, stride: int, pads: Pair) -> int:
    """Return the output length of a convolution along one axis: floor((size + pads - kernel) / stride) + 1."""
    return (size + sum(pads) - kernel) // stride + 1


def pad(x: Array, pads: Pads) -> Array:
    """Return x (N, H, W, C) with zeros around it; x itself where there is nothing to add."""
    (top, bottom), (left, right) = pads
    if not (top or bottom or left or right):
        return x
    n, h, w, c = x.shape
    padded = array_module(x).zeros((n, h + top + bottom, w + left + right, c), x.dtype)
    padded[:, top : top + h, left : left + w] = x
    return padded


def windows(padded: Array, kernel: Pair, stride: Pair) -> Array:
    """Return all kernel-sized windows of (N, H, W, C) as a view (N, OH, OW, KH, KW, C): no number is copied."""
    xp = array_module(padded)
    n, h, w, c = padded.shape
    (kh, kw), (sh, sw) = kernel, stride
    along_n, along_h, along_w, along_c = padded.strides
    shape = (n, (h - kh) // sh + 1, (w - kw) // sw + 1, kh, kw, c)
    strides = (along_n, along_h * sh, along_w * sw, along_h, along_w, along_c)
    return xp.lib.stride_tricks.as_strided(padded, shape, strides)


def unfold(x: Array, kernel: Pair, stride: Pair, pads: Pads) -> Array:
    """im2col: gather the patches of x (N, H, W, C) as the rows of a matrix (N*OH*OW, KH*KW*C)."""
    view = windows(pad(x, pads), kernel, stride)
    n, oh, ow, kh, kw, c = view.shape
    return view.reshape(n * oh * ow, kh * kw * c)  # a view with overlapping strides: reshape makes the one copy


def fold(columns: Array, hw: Pair, stride: Pair, pads: Pads) -> Array:
    """col2im, the adjoint of `unfold`: add patches (N, OH, OW, KH, KW, C) into the images (N, H, W, C) they came from.

    Taps 0..SH-1 of neighbouring patches do not overlap, nor do the next SH taps, and so on. So the padded image is
    seen as a grid of SH x SW cells, and each group of SH x SW taps lands in it by a single addition of runs of SW*C
    numbers: ceil(KH/SH) * ceil(KW/SW) additions instead of KH*KW.
    """
    xp = array_module(columns)
    n, oh, ow, kh, kw, c = columns.shape
    (h, w), (sh, sw), (top, left) = hw, stride, (pads[0][0], pads[1][0])
    rows = max(oh - 1 + -(-kh // sh), -(-(top + h) // sh))  # cells that patches or the image reach
    cols = max(ow - 1 + -(-kw // sw), -(-(left + w) // sw))
    cells = xp.zeros((n, rows, sh, cols, sw, c), columns.dtype)
    for i in range(0, kh, sh):
        for j in range(0, kw, sw):
            taps = columns[:, :, :, i : i + sh, j : j + sw].transpose(0, 1, 3, 2, 4, 5)  # (N, OH, <=SH, OW, <=SW, C)
            cells[:, i // sh : i // sh + oh, : taps.shape[2], j // sw : j // sw + ow, : taps.shape[4]] += taps
    image = cells.reshape(n, rows * sh, cols * sw, c)
    return image[:, top : top + h, left : left + w]
