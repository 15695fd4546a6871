"""The passes of a linear layer: y = x weight + bias, and its gradients, each one matrix product (matmul.py)."""

from __future__ import annotations

from gpunet.backend.devices import Array
from gpunet.backend.matmul import matmul


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return y = x weight + bias: x (N, F_in), weight (F_in, F_out), bias (F_out,), y (N, F_out)."""
    return matmul(x, weight, bias=bias)


def linear_input_grad(dy: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return dx = dy weight^T (N, F_in), from dy (N, F_out).

    As the forward pass of a transposed convolution whose kernel covers the image it adds bias (F_in,).
    """
    return matmul(dy, weight.T, bias=bias)


def linear_weight_grad(x: Array, dy: Array, out: Array | None = None) -> Array:
    """Return dweight = x^T dy (F_in, F_out), in `out` if given."""
    return matmul(x.T, dy, out)
