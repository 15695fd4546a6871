"""Linear: y = x weight + bias, and its gradients. Also the column sum, which is the gradient of any bias."""

from __future__ import annotations

from gpunet.backend.arrays import Array, operation
from gpunet.backend.parallel import column_sums
from kernels import sums


@operation
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return y = x weight + bias: x (N, F_in), weight (F_in, F_out), bias (F_out,), y (N, F_out)."""
    y = x @ weight
    if bias is not None:
        y += bias
    return y


@operation
def linear_input_grad(dy: Array, weight: Array) -> Array:
    """Return dx = dy weight^T: (N, F_in)."""
    return dy @ weight.T


@operation
def linear_weight_grad(x: Array, dy: Array) -> Array:
    """Return dweight = x^T dy: (F_in, F_out)."""
    return x.T @ dy


@operation
def column_sum(dy: Array) -> Array:
    """Sum dy over all axes but the last: the gradient (C,) of a bias that was added to every row."""
    return column_sums(lambda block: block.sum(axis=0), dy.reshape(-1, dy.shape[-1]))


@column_sum.kernel
def _(dy: Array) -> Array:
    return sums.column_sum(dy)
