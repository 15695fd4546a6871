"""What every operation means, by its definition: plain loops over single numbers, as slow as they are obvious.

Nothing here calls the library or shares code with it; expected values of the tests come from this page or from PyTorch.
Notation as in gpunet: x (N, H, W, C), weight (KH, KW, C_in, C_out), transposed (KH, KW, C_out, C_in).
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def loop(*sizes):
    """Every combination of indices: loop(2, 3) -> (0, 0), (0, 1), ... (1, 2)."""
    return itertools.product(*(range(size) for size in sizes))


def conv2d(x, weight, bias, stride, pads):
    """y[n, i, j, f] = bias[f] + sum of x[n, i*SH + p - top, j*SW + q - left, c] * weight[p, q, c, f]."""
    (n, h, w, c), (kh, kw, _, f), (sh, sw) = x.shape, weight.shape, stride
    (top, bottom), (left, right) = pads
    oh, ow = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    y = np.zeros((n, oh, ow, f)) + bias
    for image, i, j, p, q in loop(n, oh, ow, kh, kw):
        row, column = i * sh + p - top, j * sw + q - left
        if 0 <= row < h and 0 <= column < w:
            for g, k in loop(f, c):
                y[image, i, j, g] += x[image, row, column, k] * weight[p, q, k, g]
    return y


def conv_transpose2d(x, weight, bias, stride, pads, hw):
    """Each x[n, i, j] paints the kernel, scaled by it, onto y at (i*SH - top, j*SW - left); the rest is cut off."""
    (n, h, w, c), (kh, kw, f, _), (sh, sw) = x.shape, weight.shape, stride
    (top, _), (left, _) = pads
    y = np.zeros((n, *hw, f)) + bias
    for image, i, j, p, q in loop(n, h, w, kh, kw):
        row, column = i * sh + p - top, j * sw + q - left
        if 0 <= row < hw[0] and 0 <= column < hw[1]:
            for g, k in loop(f, c):
                y[image, row, column, g] += x[image, i, j, k] * weight[p, q, g, k]
    return y


def linear(x, weight, bias):
    """y[n, g] = bias[g] + sum of x[n, k] * weight[k, g]."""
    y = np.zeros((x.shape[0], weight.shape[1])) + bias
    for n, g, k in loop(*y.shape, x.shape[1]):
        y[n, g] += x[n, k] * weight[k, g]
    return y


def channel_statistics(x):
    """Mean and biased variance of each channel: two lists of C numbers, by Python's exact sum."""
    columns = [[float(value) for value in column] for column in x.reshape(-1, x.shape[-1]).T]
    means = [math.fsum(column) / len(column) for column in columns]
    pairs = zip(columns, means, strict=True)
    return means, [math.fsum((value - mean) ** 2 for value in column) / len(column) for column, mean in pairs]


def batchnorm(x, scale, shift, eps):
    """y = (x - mean) / sqrt(var + eps) * scale + shift, channel by channel."""
    mean, var = channel_statistics(x)
    return batchnorm_inference(x, mean, var, scale, shift, eps)


def batchnorm_inference(x, mean, var, scale, shift, eps):
    """The same with statistics from elsewhere."""
    y = np.array(x)
    for k in range(x.shape[-1]):
        y[..., k] = (x[..., k] - mean[k]) / math.sqrt(var[k] + eps) * scale[k] + shift[k]
    return y


def elementwise(function, x):
    """A function of one number, applied to each."""
    return np.array([function(float(value)) for value in np.ravel(x)]).reshape(x.shape)


def bce(logit, target):
    """-t log p - (1 - t) log(1 - p) with p = sigmoid(logit), for logits small enough to do it literally."""
    p = 1 / (1 + math.exp(-logit))
    return -target * math.log(p) - (1 - target) * math.log(1 - p)


def adam(param, grads, lr, betas, eps):
    """Kingma & Ba (2015), algorithm 1, for one number: the parameter and both moments after each gradient."""
    m = v = 0.0
    for t, g in enumerate(grads, 1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        param -= lr * m_hat / (math.sqrt(v_hat) + eps)
        yield param, m, v
