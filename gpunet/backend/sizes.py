"""The sizes of a convolution, computed once and handed down.

N images of H x W pixels with C channels come in, N maps of OH x OW pixels with F channels go out; the kernel has
KH x KW taps, SH x SW is the stride, and `top` and `left` are the rows and columns of zeros in front of the image.

    OH = floor((H + top + bottom - KH) / SH) + 1,  OW likewise
"""

from __future__ import annotations

from typing import NamedTuple

from gpunet.backend.devices import Array

Pair = tuple[int, int]  # (down, across)
Pads = tuple[Pair, Pair]  # ((top, bottom), (left, right))


class Sizes(NamedTuple):
    """The thirteen sizes of a convolution, in the order in which every kernel takes them.

    `bottom` and `right` are not among them: they follow from OH and OW.
    """

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

    @property
    def x_shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, C), the shape of what comes in, and of its gradient dx."""
        return self.n, self.h, self.w, self.c

    @property
    def y_shape(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, F), the shape of what goes out, and of its gradient dy."""
        return self.n, self.oh, self.ow, self.f

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(KH, KW, C, F), the shape of the weight, and of its gradient dweight."""
        return self.kh, self.kw, self.c, self.f


def output_size(size: int, kernel: int, stride: int, pads: Pair) -> int:
    """Return the output length of a convolution along one axis: floor((size + pads - kernel) / stride) + 1."""
    return (size + sum(pads) - kernel) // stride + 1


def conv_sizes(images: tuple[int, ...], weight: tuple[int, ...], stride: Pair, pads: Pads) -> Sizes:
    """Return the sizes of a convolution over images (N, H, W) with a weight of shape (KH, KW, C, F).

    Raises ValueError where the padded image is smaller than the kernel.
    """
    (n, h, w), (kh, kw, c, f) = images, weight
    oh, ow = (output_size(*axis) for axis in zip((h, w), (kh, kw), stride, pads, strict=True))
    if oh < 1 or ow < 1:
        raise ValueError(
            f"got an input of {h}x{w} pixels with padding {pads}, expected at least the kernel {(kh, kw)}: "
            "use a larger image, more padding or a smaller kernel"
        )
    return Sizes(n, h, w, c, oh, ow, f, kh, kw, *stride, pads[0][0], pads[1][0])


def require_fit(sizes: Sizes, x: Array, weight: Array, y: Array) -> None:
    """Raise ValueError where x, weight and y are not of these sizes, or too large for the kernels' 32-bit indices."""
    if (x.shape, weight.shape, y.shape) != (sizes.x_shape, sizes.weight_shape, sizes.y_shape):
        raise ValueError(
            f"got x {x.shape}, weight {weight.shape} and y {y.shape}, expected {sizes.x_shape}, {sizes.weight_shape} "
            f"and {sizes.y_shape}: (N, H, W, C), (KH, KW, C, F) and (N, OH, OW, F)"
        )
    if max(x.size, weight.size, y.size) >= 2**31:
        raise ValueError(
            f"got arrays of {x.size}, {weight.size}, {y.size} numbers, expected < 2^31: use smaller batches"
        )
