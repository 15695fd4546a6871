"""Gradient check: a layer's backward pass against central differences; `python -m gpunet.gradcheck` checks them all.

A layer's output is reduced to one number f = sum of w * y with RANDOM weights w. (A plain sum is blind for batch
normalisation, whose outputs add up to the same number whatever x is.) Then, along a direction v of x or of a parameter,

    <gradient, v>  from backward   must equal   (f(a + h v) - f(a - h v)) / 2h       up to O(h^2)

in float64. Small arrays are checked along every axis, large ones along random directions, which any wrong element
disturbs. Inputs keep away from 0, where ReLU has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import Layer

LIMIT = 1e-6  # on the error, relative to the largest derivative; a correct backward stays near 1e-9
STEP = 1e-5  # h: its square, the truncation error, and 1e-16 / h, the rounding error, both stay far below LIMIT


def off_kinks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw float64 numbers of both signs, none nearer to 0 than 0.1: a step of h never crosses a ReLU's kink."""
    return rng.choice([-1.0, 1.0], shape) * (0.1 + np.abs(rng.standard_normal(shape)))


def check_layer(layer: Layer, x: Array, rng: np.random.Generator, directions: int = 0) -> dict[str, float]:
    """Return the error of dx and of each parameter's gradient: {"dx": 2e-10, "weight": 1e-10, ...}.

    layer: in float64 (`layer.to(dtype="float64")`) and training mode. x: its input, float64. directions: how many
    random ones per array; 0: every axis of arrays of up to 64 elements, 16 random directions for larger ones. An error
    is the worst disagreement over the directions divided by the largest derivative among them. The layer's gradients
    and running statistics are replaced. Raises ValueError for an x that is not float64.
    """
    if x.dtype != np.float64:
        raise ValueError(f"got x of {x.dtype}, expected float64: float32 rounding would hide errors below 1e-3")
    weights, gradients = _backward(layer, x, rng)
    arrays = {"dx": x} | {name: parameter.data for name, parameter in layer.named_parameters()}

    def output() -> float:
        y = layer.forward(x)
        layer.forget()
        return float((y * weights).sum())

    return {name: _worst(output, arrays[name], gradients[name], rng, directions) for name in arrays}


def _backward(layer: Layer, x: Array, rng: np.random.Generator) -> tuple[Array, dict[str, np.ndarray]]:
    """Return the random output weights and the gradients of sum(weights * layer(x)) by backward."""
    for parameter in layer.parameters():
        parameter.grad = None
    y = layer.forward(x)
    weights = backend.to_device(rng.standard_normal(y.shape), backend.device_of(x))
    gradients = {"dx": backend.to_numpy(layer.backward(weights.copy()))}
    gradients |= {name: backend.to_numpy(parameter.grad) for name, parameter in layer.named_parameters()}
    return weights, gradients


def _worst(
    output: Callable[[], float], array: Array, gradient: np.ndarray, rng: np.random.Generator, directions: int
) -> float:
    """Return the worst disagreement along the directions, relative to the largest derivative; infinite for a NaN."""
    pairs = [
        (_central_difference(output, array, v), float((gradient * v).sum()))
        for v in _directions(array.shape, rng, directions)
    ]
    numeric, analytic = np.array(pairs).T
    error = float(np.abs(numeric - analytic).max())
    largest = float(np.maximum(np.abs(numeric), np.abs(analytic)).max())
    if not np.isfinite(error):
        return float("inf")
    return error / largest if error else 0.0


def _directions(shape: tuple[int, ...], rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    size = int(np.prod(shape))
    if count or size > 64:
        yield from rng.standard_normal((count or 16, *shape))
    else:
        yield from np.eye(size).reshape(size, *shape)


def _central_difference(output: Callable[[], float], array: Array, direction: np.ndarray) -> float:
    """Return (f(a + h v) - f(a - h v)) / 2h; the array is stepped in place and restored exactly."""
    before, step = array.copy(), backend.to_device(STEP * direction, backend.device_of(array))
    try:
        array[...] = before + step
        above = output()
        array[...] = before - step
        return (above - output()) / (2 * STEP)
    finally:
        array[...] = before
