"""The operations of a step beside its products, as calls on named arrays: the same in float32 and in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.gpu.sized import Settings
from gpunet import backend
from gpunet.backend import batchnorm, batchnorm_backward
from gpunet.backend.conv.patches import fold, unfold

COUNT = 100_003  # numbers that Adam updates; a prime, so no block is full
EPS, SLOPE = 1e-5, 0.2  # of batch norm, and of the LeakyReLU behind it


def numbers(settings: Settings) -> dict[str, Any]:
    """Return the arrays of all calls on the GPU, float64: x, dy (N, H, W, C), scale, shift (C,), grad (COUNT,)."""
    rng, size = np.random.default_rng(1), settings.size // 4
    shape = settings.batch, size, size, 2 * settings.width
    shapes = {"x": shape, "dy": shape, "scale": shape[3], "shift": shape[3], "grad": COUNT}
    return {name: backend.to_device(rng.standard_normal(shape), "cuda") for name, shape in shapes.items()}


def norm(x: Any, scale: Any, shift: Any, **others: Any) -> list[Any]:
    """Return y and the mean."""
    return list(batchnorm(x, scale, shift, EPS, SLOPE)[:2])


def norm_backward(x: Any, dy: Any, scale: Any, shift: Any, **others: Any) -> list[Any]:
    """Return the gradients of x, scale and shift."""
    _, mean, _, rstd = batchnorm(x, scale, shift, EPS, SLOPE)
    return list(batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, SLOPE))


def norm_of_two(x: Any, dy: Any, scale: Any, shift: Any, **others: Any) -> list[Any]:
    """Return y and all gradients for two batches that lie one behind the other."""
    y, mean, _, rstd = batchnorm(x, scale, shift, EPS, SLOPE, None, 2)
    return [y, *batchnorm_backward(dy.copy(), x, mean, rstd, scale, shift, SLOPE)]


def joined(x: Any, dy: Any, **others: Any) -> list[Any]:
    """Return two arrays as one."""
    return [backend.join(x, dy)]


def folded(x: Any, **others: Any) -> list[Any]:
    """Return the sums of all patches that a number of a picture is in."""
    pictures = x[..., :3].copy()
    sizes = backend.conv_sizes(pictures.shape[:3], (4, 4, 3, 1), (2, 2), ((1, 1), (1, 1)))
    return [fold(unfold(pictures, sizes), sizes)]


def loss(x: Any, **others: Any) -> list[Any]:
    """Return the loss of logits and its gradient."""
    return [value.reshape(-1) for value in backend.bce_with_logits(x, 0.9)]


def adam(grad: Any, **others: Any) -> list[Any]:
    """Return the parameters and both moments after three updates."""
    param, m, v, state = grad + 1, 0 * grad, 0 * grad, backend.to_device(np.array([2e-4, 0, 0, 0]), "cuda")
    for _ in range(3):
        backend.adam_update(param, grad, m, v, state, (0.5, 0.999), 1e-8)
    return [param, m, v]


OPERATIONS = {
    "batch norm": norm,
    "batch norm backward": norm_backward,
    "batch norm of two batches": norm_of_two,
    "join": joined,
    "fold": folded,
    "loss": loss,
    "Adam": adam,
}
