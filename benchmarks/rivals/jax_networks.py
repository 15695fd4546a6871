"""The networks of dcgan64 in JAX, for any picture size, and their weights to and from PyTorch's layout.

Pictures are (N, H, W, C), kernels (KH, KW, C_in, C_out). JAX applies the kernels of transposed convolutions rotated by
180 degrees, so they are stored rotated. G's first layer starts from 1x1 maps and D's last layer ends in them: both are
written as matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SLOPE, EPS = 0.2, 1e-5
FORMATS = ("NHWC", "HWIO", "NHWC")


def generator(parameters: list[Any], z: Any) -> tuple[Any, list[Any]]:
    """Return pictures for z (N, z_dim), and the (mean, variance) of each batch norm."""
    seen: list[Any] = []
    x = jnp.einsum("nz,zhwc->nhwc", z, parameters[0])
    for scale, shift, kernel in _threes(parameters[1:]):
        x = jax.nn.relu(norm(x, scale, shift, seen))
        x = lax.conv_transpose(x, kernel, (2, 2), ((2, 2), (2, 2)), dimension_numbers=FORMATS)
    return jnp.tanh(x), seen


def discriminator(parameters: list[Any], x: Any) -> tuple[Any, list[Any]]:
    """Return logits (N, 1) for pictures, and the (mean, variance) of each batch norm."""
    seen: list[Any] = []
    x = leaky(halved(x, parameters[0]))
    for kernel, scale, shift in _threes(parameters[1:-1]):
        x = leaky(norm(halved(x, kernel), scale, shift, seen))
    return jnp.einsum("nhwc,hwco->no", x, parameters[-1]), seen


def halved(x: Any, kernel: Any) -> Any:
    """Return the convolution with 4x4 kernels, stride 2 and padding 1, which halves height and width."""
    return lax.conv_general_dilated(x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=FORMATS)


def leaky(x: Any) -> Any:
    """Return x where it is positive, SLOPE times x elsewhere."""
    return jnp.where(x > 0, x, SLOPE * x)


def norm(x: Any, scale: Any, shift: Any, seen: list[Any]) -> Any:
    """Return x normalised by the statistics of the batch; add its (mean, unbiased variance) to `seen`."""
    axes, count = (0, 1, 2), x.size // x.shape[-1]
    mean, var = x.mean(axes), x.var(axes)
    seen.append((mean, var * (count / (count - 1))))
    return (x - mean) * lax.rsqrt(var + EPS) * scale + shift


def bce(logits: Any, target: float) -> Any:
    """Return the mean of -(t log D + (1 - t) log(1 - D))."""
    return jnp.mean(jax.nn.softplus(logits) - target * logits)


def from_torch(net: str, number: int, array: np.ndarray) -> np.ndarray:
    """Return parameter `number` of the net ("G" or "D") as JAX's side keeps it, from PyTorch's layout."""
    if array.ndim < 4:
        return array
    if net == "D":
        return array.transpose(2, 3, 1, 0)
    return array.transpose(2, 3, 0, 1)[::-1, ::-1] if number else array.transpose(0, 2, 3, 1)


def to_torch(net: str, number: int, array: Any) -> np.ndarray:
    """Return parameter `number` of the net, or its gradient, in PyTorch's layout."""
    array = np.array(array)
    if array.ndim < 4:
        return array
    if net == "D":
        return array.transpose(3, 2, 0, 1)
    return array[::-1, ::-1].transpose(2, 3, 0, 1) if number else array.transpose(0, 3, 1, 2)


def _threes(values: list[Any]) -> Iterator[tuple[Any, Any, Any]]:
    return zip(values[::3], values[1::3], values[2::3], strict=True)
