"""The step in NumPy alone, without layers: every line of the forward pass has its line in the backward pass."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from problem import BETAS, EPS, LR, NORM_EPS, SLOPE, Weights


def windows(x: ndarray, k: int, stride: int, pad: int) -> ndarray:
    """Return what each place of a k x k kernel sees of x (N, H, W, C): (N, OH, OW, C, k, k), a view."""
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))[:, ::stride, ::stride]


def conv(x: ndarray, weight: ndarray, stride: int, pad: int) -> ndarray:
    """weight (k, k, C, F); y (N, OH, OW, F)."""
    return np.einsum("nijcpq,pqcf->nijf", windows(x, len(weight), stride, pad), weight)


def conv_dweight(x: ndarray, dy: ndarray, k: int, stride: int, pad: int) -> ndarray:
    return np.einsum("nijcpq,nijf->pqcf", windows(x, k, stride, pad), dy)


def conv_dx(dy: ndarray, weight: ndarray, stride: int, pad: int, size: int) -> ndarray:
    """dx (N, size, size, C): each dy paints the whole kernel. It is also the transposed convolution of dy."""
    (N, OH, OW, _), k = dy.shape, len(weight)
    dx = np.zeros((N, size + 2 * pad, size + 2 * pad, weight.shape[2]))
    for p, q in np.ndindex(k, k):
        dx[:, p : p + stride * OH : stride, q : q + stride * OW : stride] += dy @ weight[p, q].T
    return dx[:, pad : pad + size, pad : pad + size]


def norm(x: ndarray, scale: ndarray, shift: ndarray) -> tuple[ndarray, tuple]:
    rstd = 1 / np.sqrt(x.var((0, 1, 2)) + NORM_EPS)
    x_hat = (x - x.mean((0, 1, 2))) * rstd
    return scale * x_hat + shift, (x_hat, rstd, scale)


def norm_backward(dy: ndarray, kept: tuple) -> tuple[ndarray, ndarray, ndarray]:
    x_hat, rstd, scale = kept
    M = dy.size / dy.shape[-1]
    dscale, dshift = (dy * x_hat).sum((0, 1, 2)), dy.sum((0, 1, 2))
    return scale * rstd * (dy - dshift / M - x_hat * dscale / M), dscale, dshift


def slope(y: ndarray, below: float) -> ndarray:
    """Return the slope of a (leaky) ReLU, which has the sign of its result."""
    return np.where(y > 0, 1, below)


def generator(w: dict[str, ndarray], z: ndarray) -> tuple[ndarray, tuple]:
    a1, n1 = norm(conv_dx(z[:, None, None], w["0.weight"], 1, 0, 4), w["1.scale"], w["1.shift"])
    h1 = np.maximum(a1, 0)
    a2, n2 = norm(conv_dx(h1, w["3.weight"], 2, 1, 8), w["4.scale"], w["4.shift"])
    h2 = np.maximum(a2, 0)
    return np.tanh(conv_dx(h2, w["6.weight"], 2, 1, 16)), (z, n1, h1, n2, h2)


def generator_backward(w: dict[str, ndarray], dy: ndarray, y: ndarray, kept: tuple) -> dict[str, ndarray]:
    z, n1, h1, n2, h2 = kept
    d, dw = dy * (1 - y * y), {}
    dw["6.weight"] = conv_dweight(d, h2, 4, 2, 1)
    d = conv(d, w["6.weight"], 2, 1) * slope(h2, 0)
    d, dw["4.scale"], dw["4.shift"] = norm_backward(d, n2)
    dw["3.weight"] = conv_dweight(d, h1, 4, 2, 1)
    d = conv(d, w["3.weight"], 2, 1) * slope(h1, 0)
    d, dw["1.scale"], dw["1.shift"] = norm_backward(d, n1)
    dw["0.weight"] = conv_dweight(d, z[:, None, None], 4, 1, 0)
    return dw


def discriminator(w: dict[str, ndarray], x: ndarray) -> tuple[ndarray, tuple]:
    a1 = conv(x, w["0.weight"], 2, 1)
    h1 = a1 * slope(a1, SLOPE)
    a2, n2 = norm(conv(h1, w["2.weight"], 2, 1), w["3.scale"], w["3.shift"])
    h2 = a2 * slope(a2, SLOPE)
    return conv(h2, w["5.weight"], 1, 0).ravel(), (x, h1, n2, h2)


def discriminator_backward(w: dict[str, ndarray], dlogits: ndarray, kept: tuple) -> tuple[ndarray, dict[str, ndarray]]:
    (x, h1, n2, h2), dw = kept, {}
    d = dlogits[:, None, None, None]
    dw["5.weight"] = conv_dweight(h2, d, 4, 1, 0)
    d = conv_dx(d, w["5.weight"], 1, 0, 4) * slope(h2, SLOPE)
    d, dw["3.scale"], dw["3.shift"] = norm_backward(d, n2)
    dw["2.weight"] = conv_dweight(h1, d, 4, 2, 1)
    d = conv_dx(d, w["2.weight"], 2, 1, 8) * slope(h1, SLOPE)
    dw["0.weight"] = conv_dweight(x, d, 4, 2, 1)
    return conv_dx(d, w["0.weight"], 2, 1, 16), dw


def bce(logits: ndarray, target: float) -> tuple[float, ndarray]:
    """Return the loss and its derivative by the logits, (p - t) / N."""
    loss = (np.maximum(logits, 0) - target * logits + np.log1p(np.exp(-np.abs(logits)))).mean()
    return float(loss), (1 / (1 + np.exp(-logits)) - target) / len(logits)


def adam(w: dict[str, ndarray], dw: dict[str, ndarray]) -> dict[str, ndarray]:
    """Return the weights behind the first step of Adam, whose moments begin at zero."""
    made = {}
    for name, g in dw.items():
        m, v = (1 - BETAS[0]) * g, (1 - BETAS[1]) * g * g
        made[name] = w[name] - LR * m / (1 - BETAS[0]) / (np.sqrt(v / (1 - BETAS[1])) + EPS)
    return made


def step(weights: Weights, real: ndarray, z: ndarray) -> tuple[dict[str, float], Weights]:
    """Train D once, then G once; return both losses and the new weights."""
    g, d = weights["G"], weights["D"]
    fake, of_g = generator(g, z)
    gradients, loss_d = [], 0.0
    for pictures, target in ((real, 1.0), (fake, 0.0)):  # each normalised by its own statistics
        logits, kept = discriminator(d, pictures)
        loss, dlogits = bce(logits, target)
        loss_d += loss
        gradients.append(discriminator_backward(d, dlogits, kept)[1])
    d = adam(d, {name: gradients[0][name] + gradients[1][name] for name in d})

    logits, kept = discriminator(d, fake)
    loss_g, dlogits = bce(logits, 1.0)
    dfake, _ = discriminator_backward(d, dlogits, kept)  # D's own gradients are not used
    return {"loss_d": loss_d, "loss_g": loss_g}, {"G": adam(g, generator_backward(g, dfake, fake, of_g)), "D": d}
