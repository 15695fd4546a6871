"""Activations, elementwise. Each backward needs the output only, so that the input's memory is free to go.

`dy` is handed over by the caller: the backward passes write dx into it and return it. The kernels are in
kernels/activations.cu.
"""

from __future__ import annotations

from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import contiguous, elements, empty
from gpunet.backend.threads import by_rows


@operation
def relu(x: Array) -> Array:
    """Return y = max(x, 0); a NaN stays NaN."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)
    by_rows(lambda y, x: xp.maximum(x, 0, out=y), y, x)  # not leaky_relu with slope 0: infinity * 0 is NaN
    return y


@relu.kernel
def relu_kernel(x: Array) -> Array:
    return _launch("activations.relu", x)


@operation
def relu_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy where y > 0, else 0. At x = 0, where no derivative exists, it is 0 (PyTorch's choice)."""
    return leaky_relu_backward.reference(dy, y, 0.0)


@relu_backward.kernel
def relu_backward_kernel(dy: Array, y: Array) -> Array:
    return _launch_backward("activations.relu_backward", dy, y)


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
def leaky_relu_kernel(x: Array, slope: float) -> Array:
    return _launch("activations.leaky_relu", x, slope)


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
def leaky_relu_backward_kernel(dy: Array, y: Array, slope: float) -> Array:
    return _launch_backward("activations.leaky_relu_backward", dy, y, slope)


@operation
def tanh(x: Array) -> Array:
    """Return y = tanh(x)."""
    xp = array_module(x)
    y = xp.empty(x.shape, x.dtype)
    by_rows(lambda y, x: xp.tanh(x, out=y), y, x)
    return y


@tanh.kernel
def tanh_kernel(x: Array) -> Array:
    return _launch("activations.tanh_forward", x)


@operation
def tanh_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy (1 - y^2)."""

    def body(dy: Array, y: Array) -> None:
        dy *= 1 - y * y

    by_rows(body, dy, y)
    return dy


@tanh_backward.kernel
def tanh_backward_kernel(dy: Array, y: Array) -> Array:
    return _launch_backward("activations.tanh_backward", dy, y)


@operation
def sigmoid(x: Array) -> Array:
    """Return y = 1 / (1 + exp(-x)), computed as (1 + tanh(x/2)) / 2, which no x overflows."""
    y = tanh.reference(x * x.dtype.type(0.5))
    y += 1
    y *= x.dtype.type(0.5)
    return y


@sigmoid.kernel
def sigmoid_kernel(x: Array) -> Array:
    return _launch("activations.sigmoid", x)


@operation
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Return dx = dy y (1 - y)."""

    def body(dy: Array, y: Array) -> None:
        dy *= y * (1 - y)

    by_rows(body, dy, y)
    return dy


@sigmoid_backward.kernel
def sigmoid_backward_kernel(dy: Array, y: Array) -> Array:
    return _launch_backward("activations.sigmoid_backward", dy, y)


def _launch(entry: str, x: Array, *scalars: float) -> Array:
    """Return y, a new array, of an elementwise kernel (y, x, count, scalars...)."""
    x = contiguous(x)
    y = empty(x, *x.shape)
    elements(entry, (y, x, x.size, *scalars), x.size)
    return y


def _launch_backward(entry: str, dy: Array, y: Array, *scalars: float) -> Array:
    """Return dx, written into dy, of an elementwise kernel (dx, dy, y, count, scalars...)."""
    if dy.shape != y.shape:
        raise ValueError(f"kernel {entry}: got dy of shape {dy.shape}, expected {y.shape}, that of y")
    dy, y = contiguous(dy), contiguous(y)
    elements(entry, (dy, dy, y, y.size, *scalars), y.size)
    return dy
