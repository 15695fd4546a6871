"""Conv2d and ConvTranspose2d: two layers over the same three passes of gpunet.backend.convolution."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gpunet import backend
from gpunet.backend.arrays import Array
from gpunet.init import torch_default
from gpunet.layers.base import Layer, Parameter
from gpunet.layers.geometry import (
    Padding,
    Size,
    check_padding,
    conv_output,
    conv_pads,
    pair,
    transposed_output,
)


class _Conv(Layer):
    """What both layers share: geometry, parameters and the check of the input's shape."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size, padding: Padding, bias: bool
    ) -> None:
        super().__init__()
        self.channels = pair((in_channels, out_channels), "channels")
        self.kernel, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.padding = check_padding(padding)

    def _parameters(self, shape: tuple[int, ...], fan_in: int, bias: bool) -> None:
        self.weight = Parameter(torch_default(shape, fan_in))
        self.bias = Parameter(torch_default((self.channels[1],), fan_in)) if bias else None

    def _check(self, x: Array) -> None:
        if x.ndim != 4 or x.shape[3] != self.channels[0] or x.dtype != self.weight.data.dtype:
            raise ValueError(
                f"{self!r}: got x of shape {x.shape} and {x.dtype}, "
                f"expected (N, H, W, {self.channels[0]}) and {self.weight.data.dtype}"
            )

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Put this layer's name in front of what the geometry refuses."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self!r}: {error}") from None

    def __repr__(self) -> str:
        inside, outside = self.channels
        more = "" if self.bias else ", bias=False"
        return (
            f"{type(self).__name__}({inside}, {outside}, {self.kernel}, stride={self.stride}, "
            f"padding={self.padding!r}{more})"
        )


class Conv2d(_Conv):
    """Two-dimensional convolution: x (N, H, W, C_in) -> y (N, OH, OW, C_out).

    weight (KH, KW, C_in, C_out), bias (C_out,). padding: integer, pair, "same" (TensorFlow's) or "valid".
    Raises ValueError for an input of the wrong shape, or smaller than the kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias)
        kh, kw = self.kernel
        self._parameters((kh, kw, in_channels, out_channels), kh * kw * in_channels, bias)

    def forward(self, x: Array) -> Array:
        self._check(x)
        hw = x.shape[1:3]
        pads = conv_pads(hw, self.kernel, self.stride, self.padding)
        with self._naming():
            conv_output(hw, self.kernel, self.stride, pads)
        conv = backend.convolution(x.shape[:3], self.weight.data, self.stride, pads)
        left = conv.of_input(x)  # x, or its Winograd transform
        self.save(conv, left if self.weight.trainable else None)  # a frozen layer's input is not needed again
        return conv.output(left, self.bias.data if self.bias else None)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        conv, left = self.take()
        if self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        right = conv.of_output(dy)
        if self.weight.trainable:
            self.weight.add_grad(conv.weight_grad, left, right)
        return conv.input_grad(right) if input_grad else None


class ConvTranspose2d(_Conv):
    """Transposed convolution, the input gradient of a convolution used as a layer: x (N, H, W, C_in) -> y (N, OH, OW,
    C_out).

    weight (KH, KW, C_out, C_in): the weight of the convolution whose input gradient it is; bias (C_out,).
    output_size settles which of several possible sizes is meant; see geometry.transposed_output.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_size: Size | None = None,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias)
        self.output_size = None if output_size is None else pair(output_size, "output_size")
        kh, kw = self.kernel
        self._parameters((kh, kw, out_channels, in_channels), kh * kw * out_channels, bias)

    def forward(self, x: Array) -> Array:
        self._check(x)
        with self._naming():
            hw = transposed_output(x.shape[1:3], self.kernel, self.stride, self.padding, self.output_size)
        pads = conv_pads(hw, self.kernel, self.stride, self.padding)
        conv = backend.convolution((len(x), *hw), self.weight.data, self.stride, pads)
        right = conv.of_output(x)  # x plays the output gradient of the convolution, dy its input
        self.save(conv, right if self.weight.trainable else None)
        return conv.input_grad(right, self.bias.data if self.bias else None)

    def backward(self, dy: Array, input_grad: bool = True) -> Array | None:
        conv, right = self.take()
        if self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        left = conv.of_input(dy)
        if self.weight.trainable:
            self.weight.add_grad(conv.weight_grad, left, right)
        return conv.output(left) if input_grad else None
