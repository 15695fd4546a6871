"""One convolution as an object: what its passes share is computed once.

    y       = output(X, bias)           X = of_input(x)       x  (N, H, W, C)
    dx      = input_grad(Y, bias)       Y = of_output(dy)     dy (N, OH, OW, F)
    dweight = weight_grad(X, Y)

X and Y are the arrays as the algorithm wants them: the direct one takes them as they are, Winograd's their transforms V
and E, each of which two passes need. A convolutional layer goes from X to Y, a transposed one from Y to X; which
algorithm a layer takes is chosen in conv_choice.py.
"""

from __future__ import annotations

import functools

from gpunet.backend import conv, linear, winograd
from gpunet.backend.arrays import Array, device_of
from gpunet.backend.conv_choice import covers_image, winograd_tile
from gpunet.backend.patches import Pads, Pair
from gpunet.backend.products import COLUMNS, DEPTH, ROWS, products
from gpunet.backend.tiling import Tiling


def convolution(images: tuple[int, int, int], weight: Array, stride: Pair, pads: Pads) -> Direct | Whole | Winograd:
    """Return the convolution of images (N, H, W) with weight (KH, KW, C, F), in the algorithm chosen for it."""
    hw, device = images[1:], device_of(weight)
    if covers_image(hw, weight.shape, pads, device):
        return Whole(weight)
    m = winograd_tile(images, weight.shape, stride, pads, device)
    return Winograd(hw, weight, stride, pads, m) if m else Direct(hw, weight, stride, pads)


class Direct:
    """The sum as it stands: gpunet.backend.conv."""

    def __init__(self, hw: Pair, weight: Array, stride: Pair, pads: Pads) -> None:
        self.hw, self.weight, self.geometry = hw, weight, (stride, pads)

    def of_input(self, x: Array) -> Array:
        return x

    def of_output(self, dy: Array) -> Array:
        return dy

    def output(self, x: Array, bias: Array | None = None) -> Array:
        return conv.conv2d(x, self.weight, *self.geometry, bias)

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        return conv.conv2d_input_grad(dy, self.weight, self.hw, *self.geometry, bias)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        return conv.conv2d_weight_grad(x, dy, self.weight.shape[:2], *self.geometry, out)


class Whole:
    """A kernel as large as the image: one output pixel, every weight used once; a linear layer between flat arrays."""

    def __init__(self, weight: Array) -> None:
        self.weight, self.matrix = weight, weight.reshape(-1, weight.shape[3])  # (H*W*C, F)

    def of_input(self, x: Array) -> Array:
        return x.reshape(len(x), -1)

    def of_output(self, dy: Array) -> Array:
        return dy.reshape(len(dy), -1)

    def output(self, x: Array, bias: Array | None = None) -> Array:
        return linear.linear(x, self.matrix, bias)[:, None, None]

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        dx = linear.linear_input_grad(dy, self.matrix).reshape(-1, *self.weight.shape[:3])
        if bias is not None:
            dx += bias
        return dx

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        if out is None:
            return linear.linear_weight_grad(x, dy).reshape(self.weight.shape)
        linear.linear_weight_grad(x, dy, out.reshape(self.matrix.shape))  # a view: the result is in `out` already
        return out


class Winograd:
    """The sum over tiles of m x m outputs with fewer multiplications: gpunet.backend.winograd.

    The weight's transform U is made for the first pass that needs it and serves the others: change the weight only
    after the last.
    """

    def __init__(self, hw: Pair, weight: Array, stride: Pair, pads: Pads, m: int) -> None:
        self.tiling = Tiling(hw, weight.shape[2], weight.shape[:2], stride, pads, m)
        self.weight = weight

    @functools.cached_property
    def u(self) -> Array:
        return winograd.transform_weight(self.weight, self.tiling)  # (t*t, K, F)

    def of_input(self, x: Array) -> Array:
        return winograd.transform_input(x, self.tiling)  # V (t*t, N*TH*TW, K)

    def of_output(self, dy: Array) -> Array:
        return winograd.transform_output_adjoint(dy, self.tiling)  # E (t*t, N*TH*TW, F)

    def output(self, v: Array, bias: Array | None = None) -> Array:
        return winograd.transform_output(products(v, self.u, self.tiling.spans, DEPTH), self.tiling, bias)

    def input_grad(self, e: Array, bias: Array | None = None) -> Array:
        dv = products(e, self.u.transpose(0, 2, 1), self.tiling.spans, COLUMNS)
        return winograd.transform_input_adjoint(dv, self.tiling, bias)

    def weight_grad(self, v: Array, e: Array, out: Array | None = None) -> Array:
        du = products(v.transpose(0, 2, 1), e, self.tiling.spans, ROWS)
        return winograd.transform_weight_adjoint(du, self.tiling, out)
