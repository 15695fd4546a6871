"""Gradient check: every backward pass against central differences, `python -m gpunet.gradcheck`.

A layer's output is reduced to one number f = sum of w * y with RANDOM weights w. (A plain sum is blind for batch normalisation,
whose outputs add up to the same number whatever x is.) Then, along a direction v of the input or of a parameter,

    <gradient, v>  from backward   must equal   (f(a + h v) - f(a - h v)) / 2h       up to O(h^2)

in float64. Small arrays are checked along every axis, large ones along random directions, which any wrong element
disturbs. Inputs keep away from 0, where ReLU has no derivative.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gpunet import backend, layers
from gpunet.backend.arrays import DEVICES, IMPLEMENTATIONS, Array
from gpunet.layers import Layer

LIMIT = 1e-6  # on the error, relative to the largest derivative; a correct backward stays near 1e-9
STEP = 1e-5  # h: its square, the truncation error, and 1e-16 / h, the rounding error, both stay far below LIMIT


class Case(NamedTuple):
    """A row of the table: a layer's name, how to make it, and the shape of its input."""

    name: str
    make: Callable[[], Layer]
    shape: tuple[int, ...]


class BceWithLogits(Layer):
    """The loss as a layer, so that the same check covers it; the targets lie between 0 and 1."""

    def forward(self, x: Array) -> Array:
        target = backend.to_device(np.linspace(0, 1, x.size).reshape(x.shape).astype(x.dtype), backend.device_of(x))
        loss, dlogits = backend.bce_with_logits(x, target)
        self.save(dlogits)
        return loss

    def backward(self, dy: Array, input_grad: bool = True) -> Array:
        return self.take()[0] * dy


CASES = [
    Case("Conv2d 4x4 /2 pad 1", lambda: layers.Conv2d(3, 4, 4, stride=2, padding=1), (2, 6, 8, 3)),
    Case("Conv2d 5x5 /2 same", lambda: layers.Conv2d(2, 3, 5, stride=2, padding="same"), (2, 6, 7, 2)),
    Case("Conv2d 3x2 /1 valid", lambda: layers.Conv2d(2, 3, (3, 2), padding="valid", bias=False), (1, 4, 5, 2)),
    Case("ConvTranspose2d 4x4 /2 pad 1", lambda: layers.ConvTranspose2d(4, 3, 4, stride=2, padding=1), (2, 3, 4, 4)),
    Case("ConvTranspose2d 4x4 /1", lambda: layers.ConvTranspose2d(5, 3, 4, bias=False), (2, 1, 1, 5)),
    Case(
        "ConvTranspose2d 5x5 /2 same",
        lambda: layers.ConvTranspose2d(3, 2, 5, stride=2, padding="same", output_size=(7, 6)),
        (2, 4, 3, 3),
    ),
    Case("Linear", lambda: layers.Linear(5, 4), (3, 5)),
    Case("BatchNorm spatial", lambda: layers.BatchNorm(3), (4, 3, 2, 3)),
    Case("BatchNorm dense", lambda: layers.BatchNorm(4, scale=False), (5, 4)),
    Case("BatchNorm + ReLU", lambda: layers.Sequential(layers.BatchNorm(3), layers.ReLU()), (3, 2, 3, 3)),
    Case("BatchNorm + LeakyReLU", lambda: layers.Sequential(layers.BatchNorm(3), layers.LeakyReLU()), (3, 2, 3, 3)),
    Case("ReLU", layers.ReLU, (2, 3, 3, 2)),
    Case("LeakyReLU", layers.LeakyReLU, (2, 3, 3, 2)),
    Case("Tanh", layers.Tanh, (2, 3, 3, 2)),
    Case("Sigmoid", layers.Sigmoid, (2, 5)),
    Case("Flatten", layers.Flatten, (2, 3, 2, 2)),
    Case("Reshape", lambda: layers.Reshape((3, 2, 2)), (2, 12)),
    Case("bce_with_logits", BceWithLogits, (7, 1)),
]


def off_kinks(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw float64 numbers of both signs, none nearer to 0 than 0.1: a step of h never crosses a ReLU's kink."""
    return rng.choice([-1.0, 1.0], shape) * (0.1 + np.abs(rng.standard_normal(shape)))


def check_layer(layer: Layer, x: Array, rng: np.random.Generator, directions: int = 0) -> dict[str, float]:
    """Return the error of dx and of each parameter's gradient: {"dx": 2e-10, "weight": 1e-10, ...}.

    layer: in float64 (`layer.to(dtype="float64")`) and training mode. x: its input, float64. directions: how many random
    directions per array; 0: every axis of arrays of up to 64 elements, 16 random directions for larger ones. An error is
    the worst disagreement over the directions divided by the largest derivative among them. Existing gradients and running
    statistics of the layer are replaced. Raises ValueError for an x that is not float64.
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


def check_case(case: Case, device: str = "cpu", directions: int = 0) -> dict[str, float]:
    """Return `check_layer` of a row of the table on a device, with numbers drawn from a fixed seed."""
    rng = np.random.default_rng(0)
    layer = case.make().to(dtype="float64")
    for parameter in layer.parameters():  # away from 1 and 0, which would hide a forgotten factor or term
        parameter.data[...] = off_kinks(rng, parameter.data.shape)
    return check_layer(layer.to(device), backend.to_device(off_kinks(rng, case.shape), device), rng, directions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of all layers; return 1 if any error is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m gpunet.gradcheck", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--implementation", choices=IMPLEMENTATIONS, help="default: what the device runs by itself")
    options = parser.parse_args(arguments)
    with backend.use(options.implementation or backend.implementation(options.device)):
        print(f"error against central differences, {options.device} {backend.implementation()}, limit {LIMIT:.0e}")
        worst = max(_print_row(case, options.device) for case in CASES)
    print(f"{'passed' if worst < LIMIT else 'FAILED'}: worst error {worst:.1e}")
    return 0 if worst < LIMIT else 1


def _print_row(case: Case, device: str) -> float:
    errors = check_case(case, device, directions=0 if device == "cpu" else 2)
    columns = "  ".join(f"{name} {error:.1e}" for name, error in errors.items())
    worst = max(errors.values())
    print(f"{'ok  ' if worst < LIMIT else 'FAIL'}  {case.name:28}  {columns}", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
