"""Linear: y = x weight + bias, and its gradients. Also the column sum, which is the gradient of any bias.

The kernels' matrix products are flat_product.py's on the CPU; on the GPU they are our convolution kernels', over images
of one pixel.
"""

from __future__ import annotations

from gpunet.backend.arrays import Array, device_of, operation, written
from gpunet.backend.conv_choice import algorithm, kernel_file
from gpunet.backend.flat_product import product
from gpunet.backend.parallel import column_sums, matmul, row_sum
from gpunet.kernels import conv2d as tiled
from gpunet.kernels import sums


def _untiled(x: Array) -> bool:
    return device_of(x) == "cpu" and algorithm("cpu", x.dtype) in ("strided", "im2col")


@operation
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return y = x weight + bias: x (N, F_in), weight (F_in, F_out), bias (F_out,), y (N, F_out)."""
    y = matmul(x, weight)
    if bias is not None:
        y += bias
    return y


@linear.kernel
def _(x: Array, weight: Array, bias: Array | None = None) -> Array:
    if _untiled(x):
        y = product(x, weight)
        return y if bias is None else sums.add_bias(y, bias)
    return tiled.linear(kernel_file(device_of(x), x.dtype), x, weight, bias)


@operation
def linear_input_grad(dy: Array, weight: Array) -> Array:
    """Return dx = dy weight^T: (N, F_in)."""
    return matmul(dy, weight.T)


@linear_input_grad.kernel
def _(dy: Array, weight: Array) -> Array:
    if _untiled(dy):
        return product(dy, weight.T)
    return tiled.linear_input_grad(kernel_file(device_of(dy), dy.dtype), dy, weight)


@operation
def linear_weight_grad(x: Array, dy: Array, out: Array | None = None) -> Array:
    """Return dweight = x^T dy: (F_in, F_out), in `out` if given."""
    return matmul(x.T, dy, out)


@linear_weight_grad.kernel
def _(x: Array, dy: Array, out: Array | None = None) -> Array:
    if _untiled(x):
        return product(x.T, dy, out)
    return tiled.linear_weight_grad(kernel_file(device_of(x), x.dtype), x, dy, out)


@operation
def column_sum(dy: Array, out: Array | None = None) -> Array:
    """Sum dy over all axes but the last, into `out` if given: the gradient (C,) of a bias added to every row."""
    total = column_sums(row_sum, dy.reshape(-1, dy.shape[-1]))
    return written(total, out)


@column_sum.kernel
def _(dy: Array, out: Array | None = None) -> Array:
    return written(sums.column_sum(dy), out)
