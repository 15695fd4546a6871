"""Linear: y = x weight + bias, and its gradients. Also the column sum, which is the gradient of any bias."""

from __future__ import annotations

from gpunet.backend.arrays import Array, array_module, operation, written
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
def linear_weight_grad(x: Array, dy: Array, out: Array | None = None) -> Array:
    """Return dweight = x^T dy: (F_in, F_out), in `out` if given."""
    return array_module(x).matmul(x.T, dy, out=out)


@operation
def column_sum(dy: Array, out: Array | None = None) -> Array:
    """Sum dy over all axes but the last, into `out` if given: the gradient (C,) of a bias added to every row."""
    total = column_sums(lambda block: block.sum(axis=0), dy.reshape(-1, dy.shape[-1]))
    return written(total, out)


@column_sum.kernel
def _(dy: Array, out: Array | None = None) -> Array:
    return written(sums.column_sum(dy), out)
