"""Activations, elementwise. Each backward needs the output only, so that the input's memory is free to go.

`dy` is handed over by the caller: the backward passes write dx into it and return it.
"""

from __future__ import annotations

from gpunet.backend.arrays import Array, array_module, operation
from gpunet.backend.parallel import by_rows
from gpunet.kernels import launches


@operation
def relu(x: Array) -> Array:
    """Return y = max(x, 0); a NaN stays NaN."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)
    by_rows(lambda y, x: xp.maximum(x, 0, out=y), y, x)  # not leaky_relu with slope 0: infinity * 0 is NaN
    return y


@relu.kernel
def _(x: Array) -> Array:
    return launches.unary("activations.relu", x)


@operation
def relu_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy where y > 0, else 0. At x = 0, where no derivative exists, it is 0 (PyTorch's choice)."""
    return leaky_relu_backward.reference(dy, y, 0.0)


@relu_backward.kernel
def _(dy: Array, y: Array) -> Array:
    return launches.backward("activations.relu_backward", dy, y)


@operation
def leaky_relu(x: Array, slope: float) -> Array:
    """Return y = x where x > 0, else slope * x, for 0 <= slope <= 1 (Maas et al., 2013)."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)

    def body(y: Array, x: Array) -> None:
        xp.multiply(x, x.dtype.type(slope), out=y)
        xp.maximum(x, y, out=y)  # maximum, unlike fmax, hands NaN on

    by_rows(body, y, x)
    return y


@leaky_relu.kernel
def _(x: Array, slope: float) -> Array:
    return launches.unary("activations.leaky_relu", x, slope)


def derivative(z: Array, slope: float) -> Array:
    """Return 1 where z > 0, else slope: by arithmetic, which NumPy does faster than it picks numbers.

    For 0 <= slope <= 1 the two terms round to 1 exactly.
    """
    factor = (z > 0).astype(z.dtype)
    factor *= 1 - z.dtype.type(slope)
    factor += z.dtype.type(slope)
    return factor


@operation
def leaky_relu_backward(dy: Array, y: Array, slope: float) -> Array:
    """Return dx = dy where y > 0, else slope * dy. y has the sign of x, so the output serves (slope >= 0)."""

    def body(dy: Array, y: Array) -> None:
        dy *= derivative(y, slope)

    by_rows(body, dy, y)
    return dy


@leaky_relu_backward.kernel
def _(dy: Array, y: Array, slope: float) -> Array:
    return launches.backward("activations.leaky_relu_backward", dy, y, slope)


@operation
def tanh(x: Array) -> Array:
    """Return y = tanh(x)."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)
    by_rows(lambda y, x: xp.tanh(x, out=y), y, x)
    return y


@tanh.kernel
def _(x: Array) -> Array:
    return launches.unary("activations.tanh_forward", x)


@operation
def tanh_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy (1 - y^2)."""

    def body(dy: Array, y: Array) -> None:
        dy *= 1 - y * y

    by_rows(body, dy, y)
    return dy


@tanh_backward.kernel
def _(dy: Array, y: Array) -> Array:
    return launches.backward("activations.tanh_backward", dy, y)


@operation
def sigmoid(x: Array) -> Array:
    """Return y = 1 / (1 + exp(-x)), computed as (1 + tanh(x/2)) / 2, which no x overflows."""
    y = tanh.reference(x * x.dtype.type(0.5))
    y += 1
    y *= x.dtype.type(0.5)
    return y


@sigmoid.kernel
def _(x: Array) -> Array:
    return launches.unary("activations.sigmoid", x)


@operation
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy y (1 - y)."""

    def body(dy: Array, y: Array) -> None:
        dy *= y * (1 - y)

    by_rows(body, dy, y)
    return dy


@sigmoid_backward.kernel
def _(dy: Array, y: Array) -> Array:
    return launches.backward("activations.sigmoid_backward", dy, y)
