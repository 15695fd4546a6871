"""Sizes and paddings: what `kernel_size`, `stride`, `padding` and `output_size` come to in numbers."""

from __future__ import annotations

from gpunet.backend.sizes import Pads, Pair, output_size

Size = int | tuple[int, int]
Padding = int | tuple[int, int] | str


def pair(value: Size, name: str, minimum: int = 1) -> Pair:
    """Return (value, value) for a number and a pair as it is; ValueError below the minimum."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    if len(both) != 2 or not all(isinstance(v, int) and v >= minimum for v in both):
        raise ValueError(f"got {name}={value!r}, expected an integer >= {minimum} or a pair of them")
    return both


def check_padding(padding: Padding) -> Padding:
    """Return "same", "valid" or a pair of integers; ValueError for anything else."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"got padding={padding!r}, expected 'same', 'valid' or an integer >= 0")
        return padding
    return pair(padding, "padding", minimum=0)


def conv_pads(hw: Pair, kernel: Pair, stride: Pair, padding: Padding) -> Pads:
    """Return ((top, bottom), (left, right)) of a convolution over an input of size hw.

    "same" is TensorFlow's SAME: the output has ceil(size / stride) pixels, and where the zeros do not divide evenly the
    odd one goes to the bottom and right. "valid" is no padding.
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        sides = [_same(size, k, s) for size, k, s in zip(hw, kernel, stride, strict=True)]
        return sides[0], sides[1]
    return (padding[0], padding[0]), (padding[1], padding[1])  # type: ignore[index,return-value]


def _same(size: int, kernel: int, stride: int) -> Pair:
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def transposed_output(hw: Pair, kernel: Pair, stride: Pair, padding: Padding, wanted: Pair | None) -> Pair:
    """Return the output size of a transposed convolution over an input of size hw.

    A stride > 1 leaves the size open: several sizes convolve to hw. Without output_size it is size * stride for
    "same" and (size - 1) * stride + kernel - 2 * padding otherwise; a given output_size must convolve to hw.
    """
    if wanted is None:
        wanted = _default_output(hw, kernel, stride, padding)
    pads = conv_pads(wanted, kernel, stride, padding)
    back = tuple(output_size(*axis) for axis in zip(wanted, kernel, stride, pads, strict=True))
    if back != tuple(hw):
        raise ValueError(f"got output_size {wanted}, which convolves to {back}, expected one that convolves to {hw}")
    return wanted


def _default_output(hw: Pair, kernel: Pair, stride: Pair, padding: Padding) -> Pair:
    if padding == "same":
        return hw[0] * stride[0], hw[1] * stride[1]
    (top, _), (left, _) = conv_pads(hw, kernel, stride, padding)
    height = (hw[0] - 1) * stride[0] + kernel[0] - 2 * top
    width = (hw[1] - 1) * stride[1] + kernel[1] - 2 * left
    if min(height, width) < 1:
        raise ValueError(f"got an input of {hw[0]}x{hw[1]}, which gives {height}x{width}: use less padding")
    return height, width
