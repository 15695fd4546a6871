"""Conv2d and ConvTranspose2d: two layers over the same three passes of gpunet.backend.convolution.

A transposed convolution is the input gradient of a convolution, used as a layer. So where Conv2d goes from x to y,
ConvTranspose2d goes from y to x: its input plays the part of the convolution's dy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from gpunet import backend
from gpunet.backend import factors
from gpunet.backend.cells import Cells, Layout, layout_of
from gpunet.backend.choices import fused
from gpunet.backend.conv import InnerProducts, Rounded, RoundedCells, RoundedPatches, form
from gpunet.backend.devices import Array, device_of, written
from gpunet.backend.epilogue import Gradients, Statistics, Summed
from gpunet.backend.factors import Factor
from gpunet.backend.sizes import Sizes, conv_sizes
from gpunet.backend.tensor_cores import After
from gpunet.layers.base import Layer, Rounding, torch_default, unrounded, unsummed
from gpunet.layers.geometry import Padding, Size, check_padding, conv_pads, pair, transposed_output
from gpunet.layers.parameter import Parameter


class _Conv(Layer):
    """Geometry, parameters and the check of the input: what both layers share."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Size, stride: Size, padding: Padding, bias: bool
    ) -> None:
        super().__init__()
        self.channels = pair((in_channels, out_channels), "channels")
        self.kernel, self.stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
        self.padding = check_padding(padding)
        self.rounding_y: Rounding = unrounded  # set by Sequential, as `slope` is
        self.rounding_dx: Rounding = unrounded
        self.sums_y: Callable[[], Statistics | None] = unsummed  # what a batch norm behind this layer asks for
        self.sums_dx: Callable[[], Gradients | None] = unsummed  # and one in front of it, in the backward pass
        self.hands_cells = False  # whether pictures, y or their gradient, go on as cells where they are computed so

    def _parameters(self, shape: tuple[int, ...], fan_in: int, bias: bool) -> None:
        self.weight = Parameter(torch_default(shape, fan_in))
        self.bias = Parameter(torch_default((self.channels[1],), fan_in)) if bias else None

    def sizes(self, x: Array) -> Sizes:
        """Return the sizes of the convolution for an input x. ValueError, which names the layer: x does not fit."""
        raise NotImplementedError

    def rounding_x(self) -> str | None:
        """Return the precision of a Factor that this layer takes for x now, None if it takes none."""
        raise NotImplementedError

    def rounding_dy(self) -> str | None:
        """Return the same for dy. The gradient of a bias is a sum of dy as it is, or as 16 bits store it."""
        raise NotImplementedError

    def _rounding_at(self, *of: Callable[..., str | None]) -> str | None:
        """Return what the first of some functions says that says something, for a layer with its bias or without."""
        precision = next(filter(None, map(self._rounding, of)), None)
        return precision if self.bias is None or precision in factors.STORED else None

    def _rounding(self, of: Callable[..., str | None]) -> str | None:
        weight = self.weight.data
        precision = of(weight.shape, device_of(weight), weight.dtype)
        return precision if precision in factors.DTYPES else None

    def _of_pictures(self, *asked: Any) -> str | None:
        pictures = form.pictures(asked[0], self.stride, *asked[1:])
        return pictures and pictures.precision

    def _norm(self, x: Array | Factor) -> Statistics | None:
        """Return what a batch norm behind this layer asks for, which refuses batches of unequal sizes."""
        return None if len(x) % self.batches else self.sums_y()

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
    Sequential sets `slope` where a LeakyReLU follows: y is then its result.
    Raises ValueError for an input of the wrong shape, or smaller than the kernel.
    """

    slope = 1.0
    tanh: Cells | None = None  # set by Sequential.handing_cells

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

    def forward(self, x: Array | Factor) -> Array | Factor | Summed:
        conv = backend.convolution(self.weight.data, self.sizes(x), self.weight.rounded)
        X = conv.input_form(x)  # x, or rounded, or its Winograd transform
        y = self._activated(conv, X, self._norm(x))
        before = x.slope if isinstance(x, Factor) else 1.0  # of a leaky ReLU whose result x is
        keeps_x = self.weight.trainable or before != 1  # a frozen layer's input is not needed again
        saved_y = y.numbers if isinstance(y, Summed) else y
        self.save(conv, X if keeps_x else None, before, saved_y if self.slope != 1 else None)
        return y

    def _activated(self, conv: Any, X: Array, norm: Statistics | None) -> Array | Factor | Summed:
        """Return the convolution's output behind its leaky ReLU, if there is one: in one pass on tensor cores."""
        bias, precision = self.bias.data if self.bias else None, self.rounding_y()
        if isinstance(conv, InnerProducts) and self.asked and self.slope == 1:
            return conv.output(X, bias, self.asked)
        if isinstance(conv, Rounded | RoundedCells | RoundedPatches):
            return conv.output(X, bias, After(self.slope, rounds=precision is not None, norm=norm))
        y = conv.output(X, bias)
        if self.slope == 1:
            return y
        return factors.leaky_relu(y, self.slope, precision) if precision else backend.leaky_relu(y, self.slope)

    def backward(self, dy: Array | Factor, input_grad: bool = True) -> Array | Factor | Summed | None:
        conv, X, before, y = self.take()
        if self.slope != 1 and getattr(dy, "slope", 1) != self.slope:  # else the layer behind has done it
            backwards = factors.leaky_relu_backward if isinstance(y, Factor) else backend.leaky_relu_backward
            dy = backwards(dy, y, self.slope)
        if self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        Y = conv.output_form(dy)
        after = self._after_backward(conv, X, before)
        if self.weight.trainable and input_grad and isinstance(conv, InnerProducts) and fused():
            dx, dweight = conv.gradients(X, Y, self.weight.first_grad(), after)
            self.weight.add_grad(written, dweight)
            return dx
        if self.weight.trainable:
            self.weight.add_grad_beside(conv.weight_grad, X, Y)
        if not input_grad:
            return None
        if self.hands_cells and isinstance(conv, RoundedCells):
            return conv.input_grad_cells(Y, self.tanh)
        return conv.input_grad(Y, None, after) if after else conv.input_grad(Y)

    def _after_backward(self, conv: Any, X: Array, before: float) -> After | None:
        """Return what is done with dx in the launch that computes it; None: that launch can do nothing more."""
        if not isinstance(conv, InnerProducts | Rounded):
            return None
        after = After(norm=self.sums_dx())
        if self.rounding_dx():
            after = after._replace(slope=before, mask=X if before != 1 else None, rounds=True)
        return after

    def layout_of_x(self, shape: tuple[int, ...]) -> Layout | None:
        """Return the layout of cells in which pictures (N, H, W, C) are convolved now; None if they are not so."""
        weight = self.weight.data
        pictures = form.pictures(weight.shape, self.stride, device_of(weight), weight.dtype)
        if form.rounding(weight.shape, device_of(weight), weight.dtype) or not (pictures and pictures.cells):
            return None
        return layout_of(self._sizes(shape), pictures.precision)

    def rounding_x(self) -> str | None:
        alone = self.padding in ("valid", (0, 0))  # then a kernel with one filter covers x, as good as always
        return self._rounding(form.rounding) or (self._rounding(form.inner_rounding) if alone else None)

    def rounding_dy(self) -> str | None:
        return self._rounding_at(form.rounding, self._of_pictures)

    def sizes(self, x: Array) -> Sizes:
        self._check(x)
        return self._sizes(x.shape)

    def _sizes(self, shape: tuple[int, ...]) -> Sizes:
        pads = conv_pads((shape[1], shape[2]), self.kernel, self.stride, self.padding)
        with self._naming():
            return conv_sizes(shape[:3], self.weight.data.shape, self.stride, pads)


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

    def forward(self, x: Array | Factor) -> Array | Cells | Factor | Summed:
        conv = backend.convolution(self.weight.data, self.sizes(x), self.weight.rounded)
        Y = conv.output_form(x)  # x plays the part of the convolution's dy
        self.save(conv, Y if self.weight.trainable else None)
        if self.hands_cells and isinstance(conv, RoundedCells) and not self.bias and fused():
            return conv.input_grad_cells(Y)
        bias = self.bias.data if self.bias else None
        if isinstance(conv, Rounded):
            return conv.input_grad(Y, bias, After(rounds=self.rounding_y() is not None, norm=self._norm(x)))
        return conv.input_grad(Y, bias)

    def backward(self, dy: Array | Cells | Factor, input_grad: bool = True) -> Array | Factor | Summed | None:
        conv, Y = self.take()
        if self.bias and self.bias.trainable:
            self.bias.add_grad(backend.column_sum, dy)
        X = conv.input_form(dy)  # and dy the part of its x
        if self.weight.trainable:
            self.weight.add_grad_beside(conv.weight_grad, X, Y)
        if not input_grad:
            return None
        if isinstance(conv, Rounded | RoundedCells | RoundedPatches):
            return conv.output(X, None, After(rounds=self.rounding_dx() is not None, norm=self.sums_dx()))
        return conv.output(X)

    def rounding_x(self) -> str | None:
        return self._rounding(form.rounding) or self._rounding(self._of_pictures)

    def rounding_dy(self) -> str | None:
        return self._rounding_at(form.rounding)

    def sizes(self, x: Array) -> Sizes:
        self._check(x)
        with self._naming():
            hw = transposed_output(x.shape[1:3], self.kernel, self.stride, self.padding, self.output_size)
            pads = conv_pads(hw, self.kernel, self.stride, self.padding)
            return conv_sizes((len(x), *hw), self.weight.data.shape, self.stride, pads)
