"""The step in JAX: networks are functions of their weights, and grad makes of a loss the function of its gradients."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from problem import BETAS, EPS, LR, NORM_EPS, SLOPE, Weights

FORMATS = ("NHWC", "HWIO", "NHWC")


def conv(x: Any, kernel: Any, stride: int, padding: int) -> Any:
    pads = ((padding, padding),) * 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=FORMATS)


def conv_transpose(x: Any, kernel: Any, stride: int, padding: int) -> Any:
    """kernel (KH, KW, C_out, C_in), the convolution whose input gradient this is; the pads count from the full size."""
    pads = ((len(kernel) - 1 - padding,) * 2,) * 2
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # JAX lays it over x turned round
    return lax.conv_general_dilated(x, turned, (1, 1), pads, lhs_dilation=(stride,) * 2, dimension_numbers=FORMATS)


def norm(x: Any, scale: Any, shift: Any) -> Any:
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * lax.rsqrt(var + NORM_EPS) * scale + shift


def leaky(x: Any) -> Any:
    return jnp.where(x > 0, x, SLOPE * x)


def generator(w: dict[str, Any], z: Any) -> Any:
    x = conv_transpose(z[:, None, None], w["0.weight"], 1, 0)
    x = jax.nn.relu(norm(x, w["1.scale"], w["1.shift"]))
    x = jax.nn.relu(norm(conv_transpose(x, w["3.weight"], 2, 1), w["4.scale"], w["4.shift"]))
    return jnp.tanh(conv_transpose(x, w["6.weight"], 2, 1))


def discriminator(w: dict[str, Any], x: Any) -> Any:
    x = leaky(conv(x, w["0.weight"], 2, 1))
    x = leaky(norm(conv(x, w["2.weight"], 2, 1), w["3.scale"], w["3.shift"]))
    return conv(x, w["5.weight"], 1, 0).ravel()


def bce(logits: Any, target: float) -> Any:
    return jnp.mean(jax.nn.softplus(logits) - target * logits)


def loss_d(d: dict[str, Any], real: Any, fake: Any) -> Any:
    return bce(discriminator(d, real), 1) + bce(discriminator(d, fake), 0)


def loss_g(g: dict[str, Any], d: dict[str, Any], z: Any) -> Any:
    return bce(discriminator(d, generator(g, z)), 1)


def adam(w: Any, gradient: Any) -> Any:
    """Return the weights behind the first step of Adam, whose moments begin at zero."""

    def one(w: Any, g: Any) -> Any:
        m, v = (1 - BETAS[0]) * g, (1 - BETAS[1]) * g * g
        return w - LR * m / (1 - BETAS[0]) / (jnp.sqrt(v / (1 - BETAS[1])) + EPS)

    return jax.tree.map(one, w, gradient)


@jax.jit
def train(g: Any, d: Any, real: Any, z: Any) -> Any:
    """Train D once, then G once. Gradients go where grad's first argument is: nothing has to be frozen."""
    of_d, gradient = jax.value_and_grad(loss_d)(d, real, generator(g, z))
    d = adam(d, gradient)
    of_g, gradient = jax.value_and_grad(loss_g)(g, d, z)
    return of_d, of_g, adam(g, gradient), d


def step(weights: Weights, real: np.ndarray, z: np.ndarray) -> tuple[dict[str, float], Weights]:
    """Train D once, then G once; return both losses and the new weights. float64 needs JAX_ENABLE_X64=1."""
    of_d, of_g, g, d = train(weights["G"], weights["D"], real, z)
    made = {net: {name: np.array(value) for name, value in w.items()} for net, w in (("G", g), ("D", d))}
    return {"loss_d": float(of_d), "loss_g": float(of_g)}, made
