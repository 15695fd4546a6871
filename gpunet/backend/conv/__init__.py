"""Convolution: one operation in several forms. `convolution` returns it as an object, in the form chosen in form.py.

    y       = output(X, bias)           X = input_form(x)       x  (N, H, W, C)
    dx      = input_grad(Y, bias)       Y = output_form(dy)     dy (N, OH, OW, F)
    dweight = weight_grad(X, Y)

X and Y are x and dy as the form wants them: the direct form takes them as they are, tensor cores take them rounded,
Winograd's form takes their transforms V and E. Two of the three passes need each of them, so the layer makes each
once. A convolutional layer goes from X to Y, a transposed one from Y to X.

    form.py       which form a convolution takes
    direct.py     the three sums as they stand, by patches.py (gathered), strided.py (in place) or ../tiled.py (GPU)
    ../tensor_cores.py  the same sums on tensor cores; ../hopper.py: some of them by the kernels for Hopper GPUs
    of_cells.py   the same of pictures, which have few channels
    ../inner_products.py  those of a discriminator's last layer, of rounded factors
    winograd.py   the same sums with fewer multiplications; tiles.py and toom.py hold its sizes and its matrices
"""

from __future__ import annotations

import functools
from typing import Any

from gpunet.backend import hopper, inner_products, tensor_cores
from gpunet.backend.columns import add_bias
from gpunet.backend.conv import direct, form, winograd
from gpunet.backend.conv.of_cells import RoundedCells
from gpunet.backend.conv.patches import fold, unfold_rounded
from gpunet.backend.conv.tiles import Tiling
from gpunet.backend.devices import Array, array_module, device_of
from gpunet.backend.epilogue import Summed, with_sums
from gpunet.backend.factors import Factor, factor
from gpunet.backend.launches import empty
from gpunet.backend.losses import Asked
from gpunet.backend.matmul import COLUMNS, DEPTH, ROWS, matmul, matmul_stack
from gpunet.backend.sizes import Sizes
from gpunet.backend.tensor_cores import NOTHING, After


def convolution(
    weight: Array, sizes: Sizes, rounded: Factor | None = None
) -> Direct | InnerProducts | Rounded | RoundedCells | RoundedPatches | Whole | Winograd:
    """Return the convolution with weight (KH, KW, C, F) over images of these sizes, in the form chosen for it.

    rounded: the weight as a factor, if somebody has rounded it already.
    """
    asked = weight.shape, device_of(weight), weight.dtype
    if precision := form.rounding(*asked):
        return Rounded(rounded or weight, sizes, precision)
    if pictures := form.pictures(weight.shape, (sizes.sh, sizes.sw), *asked[1:]):
        return (RoundedCells if pictures.cells else RoundedPatches)(rounded or weight, sizes, pictures.precision)
    if form.covers_image(sizes):
        precision = form.inner_rounding(*asked)
        return InnerProducts(rounded or weight, sizes, precision) if precision else Whole(weight)
    m = form.winograd_tile(sizes, device_of(weight))
    return Winograd(weight, sizes, m) if m else Direct(weight, sizes)


class Direct:
    """The sums as they stand: direct.py."""

    def __init__(self, weight: Array, sizes: Sizes) -> None:
        self.weight, self.sizes = weight, sizes

    def input_form(self, x: Array | Factor) -> Array:
        return x.real() if isinstance(x, Factor) else x

    def output_form(self, dy: Array) -> Array:
        return dy

    def output(self, x: Array, bias: Array | None = None) -> Array:
        return direct.conv2d(x, self.weight, self.sizes, bias)

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        return direct.conv2d_input_grad(dy, self.weight, self.sizes, bias)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        return direct.conv2d_weight_grad(x, dy, self.sizes, out)


class Rounded:
    """The sums as they stand, on tensor cores: of factors that are rounded once, before (tensor_cores.py).

    The weight is rounded for the first pass that needs it: change it only after the last.
    """

    def __init__(self, weight: Array | Factor, sizes: Sizes, precision: str) -> None:
        self.weight, self.sizes, self.precision = weight, sizes, precision

    @functools.cached_property
    def rounded_weight(self) -> Array:
        return factor(self.weight, self.precision)  # (KH, KW, C, F)

    def input_form(self, x: Array | Factor) -> Array:
        return factor(x, self.precision)

    def output_form(self, dy: Array | Factor) -> Array:
        return factor(dy, self.precision)

    def output(self, x: Array, bias: Array | None = None, after: After = NOTHING) -> Any:
        kind = self._kind("forward", after)
        return kind.conv2d(x, self.rounded_weight, self.sizes, self.precision, bias, after)

    def input_grad(self, dy: Array, bias: Array | None = None, after: After = NOTHING) -> Any:
        kind = self._kind("input_grad", after)
        return kind.conv2d_input_grad(dy, self.rounded_weight, self.sizes, self.precision, bias, after)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        return self._kind("weight_grad").conv2d_weight_grad(x, dy, self.sizes, self.precision, out)

    def _kind(self, which: str, after: After = NOTHING) -> Any:
        """Return the page whose kernels compute a pass."""
        return hopper if hopper.takes(which, self.sizes, self.precision, after) else tensor_cores


class RoundedPatches:
    """The sums on tensor cores of patches that lie in memory, which count as pixels of KH*KW*C channels.

    It serves pictures whose stride is 1 (form.py): their few channels would leave most of a tile empty, a patch of 4x4
    pixels of 3 channels has 48 numbers.
    """

    def __init__(self, weight: Array | Factor, sizes: Sizes, precision: str) -> None:
        kh, kw, c, f = weight.shape
        self.sizes, pixels = sizes, sizes.n * sizes.oh * sizes.ow
        of_pixels = Sizes(pixels, 1, 1, kh * kw * c, 1, 1, f, 1, 1, 1, 1, 0, 0)
        self.product = Rounded(weight.reshape(1, 1, -1, f), of_pixels, precision)

    def input_form(self, x: Array) -> Array:
        columns = unfold_rounded(x, self.sizes, self.product.precision).numbers
        return columns.reshape(self.product.sizes.x_shape)  # (N*OH*OW, 1, 1, KH*KW*C)

    def output_form(self, dy: Array | Factor) -> Array:
        return self.product.output_form(dy).reshape(self.product.sizes.y_shape)  # (N*OH*OW, 1, 1, F)

    def output(self, x: Array, bias: Array | None = None, after: After = NOTHING) -> Any:
        y = self.product.output(x, bias, after)
        if isinstance(y, Summed):
            return Summed(y.numbers.reshape(*self.sizes.y_shape), y.sums)
        return y.reshape(*self.sizes.y_shape)

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        dx = fold(self.product.input_grad(dy), self.sizes)
        return dx if bias is None else add_bias(dx, bias)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        into = None if out is None else out.reshape(self.product.weight.shape)
        dweight = self.product.weight_grad(x, dy, into)
        return dweight.reshape(self.sizes.weight_shape) if out is None else out


class InnerProducts:
    """A kernel as large as the image with one filter: an inner product of factors per image (inner_products.py)."""

    def __init__(self, weight: Array | Factor, sizes: Sizes, precision: str) -> None:
        self.weight, self.sizes, self.precision = weight, sizes, precision

    @functools.cached_property
    def rounded_weight(self) -> Array:
        return factor(self.weight, self.precision).reshape(-1)  # (H*W*C,)

    def input_form(self, x: Array | Factor) -> Array:
        return factor(x, self.precision).reshape(self.sizes.n, -1)  # (N, H*W*C)

    def output_form(self, dy: Array | Factor) -> Array:
        return (dy.real() if isinstance(dy, Factor) else dy).reshape(-1)  # (N,)

    def output(self, x: Array, bias: Array | None = None, asked: Asked | None = None) -> Array:
        return inner_products.output(x, self.rounded_weight, self.precision, bias, asked)

    def input_grad(self, dy: Array, bias: Array | None = None, after: After = NOTHING) -> Any:
        dx, sums = inner_products.input_grad(dy, self.rounded_weight, self.precision, after, self.sizes.c)
        dx = dx.reshape(*self.sizes.x_shape)
        return with_sums(dx, sums) if bias is None else add_bias(dx, bias)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        return self.gradients(x, dy, out, None)[1]

    def gradients(self, x: Array, dy: Array, out: Array | None, after: After | None = NOTHING) -> tuple[Any, Array]:
        """Return dx, as `input_grad` does, and dweight, as `weight_grad` does; after=None: no dx."""
        dweight = empty(dy, *self.sizes.weight_shape) if out is None else out
        flat = dweight.reshape(-1)  # a view: the result is in `out` itself
        dx, sums = inner_products.gradients(x, dy, self.rounded_weight, self.precision, flat, after, self.sizes.c)
        return None if dx is None else with_sums(dx.reshape(*self.sizes.x_shape), sums), dweight


class Whole:
    """A kernel as large as the image: one output pixel, every weight used once; a linear layer between flat arrays."""

    def __init__(self, weight: Array) -> None:
        self.weight, self.matrix = weight, weight.reshape(-1, weight.shape[3])  # (H*W*C, F)

    def input_form(self, x: Array) -> Array:
        return x.reshape(len(x), -1)  # (N, H*W*C)

    def output_form(self, dy: Array) -> Array:
        return dy.reshape(len(dy), -1)  # (N, F)

    def output(self, x: Array, bias: Array | None = None) -> Array:
        return matmul(x, self.matrix, bias=bias)[:, None, None]

    def input_grad(self, dy: Array, bias: Array | None = None) -> Array:
        kh, kw, c, _ = self.weight.shape
        per_number = None if bias is None else array_module(bias).tile(bias, kh * kw)  # (H*W*C,): again for each pixel
        return matmul(dy, self.matrix.T, bias=per_number).reshape(-1, kh, kw, c)

    def weight_grad(self, x: Array, dy: Array, out: Array | None = None) -> Array:
        if out is None:
            return matmul(x.T, dy).reshape(self.weight.shape)
        matmul(x.T, dy, out.reshape(self.matrix.shape))  # a view: the result is in `out` already
        return out


class Winograd:
    """The sums in tiles of m x m outputs, with fewer multiplications: winograd.py.

    The weight's transform U is made for the first pass that needs it and serves the others: change the weight only
    after the last.
    """

    def __init__(self, weight: Array, sizes: Sizes, m: int) -> None:
        self.weight, self.tiling = weight, Tiling(sizes, m)

    @functools.cached_property
    def u(self) -> Array:
        return winograd.transform_weight(self.weight, self.tiling)  # (t*t, K, F)

    def input_form(self, x: Array) -> Array:
        return winograd.transform_input(x, self.tiling)  # V (t*t, N*TH*TW, K)

    def output_form(self, dy: Array) -> Array:
        return winograd.transform_output_adjoint(dy, self.tiling)  # E (t*t, N*TH*TW, F)

    def output(self, v: Array, bias: Array | None = None) -> Array:
        return winograd.transform_output(matmul_stack(v, self.u, self.tiling.spans, DEPTH), self.tiling, bias)

    def input_grad(self, e: Array, bias: Array | None = None) -> Array:
        dv = matmul_stack(e, self.u.transpose(0, 2, 1), self.tiling.spans, COLUMNS)
        return winograd.transform_input_adjoint(dv, self.tiling, bias)

    def weight_grad(self, v: Array, e: Array, out: Array | None = None) -> Array:
        du = matmul_stack(v.transpose(0, 2, 1), e, self.tiling.spans, ROWS)
        return winograd.transform_weight_adjoint(du, self.tiling, out)
