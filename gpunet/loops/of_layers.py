"""What a layer should return in training mode, by loops: its geometry, and the definition that it stands for.

The tests compare every layer with `forward` of this page. A new layer gets a function here and a line in FORWARD.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from gpunet import layers, loops
from gpunet.gradcheck.cases import Labelled

Pair = tuple[int, int]


def same_padding(size: int, kernel: int, stride: int) -> Pair:
    """Return the zeros of TensorFlow's SAME: enough windows to cover the input once; the odd zero goes behind."""
    windows = math.ceil(size / stride)
    total = max(0, (windows - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def pads(layer: Any, hw: Pair) -> tuple[Pair, Pair]:
    """Return ((top, bottom), (left, right)) of a convolution layer over an input of size hw."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    if layer.padding == "same":
        rows, columns = zip(hw, layer.kernel, layer.stride, strict=True)
        return same_padding(*rows), same_padding(*columns)
    rows, columns = layer.padding
    return (rows, rows), (columns, columns)


def transposed_size(layer: Any, hw: Pair) -> Pair:
    """Return the size that a transposed convolution paints on, where none was asked for."""
    if layer.output_size:
        return layer.output_size
    if layer.padding == "same":
        return hw[0] * layer.stride[0], hw[1] * layer.stride[1]
    padding = (0, 0) if layer.padding == "valid" else layer.padding
    rows, columns = zip(hw, layer.kernel, layer.stride, padding, strict=True)
    return loops.transposed_size(*rows), loops.transposed_size(*columns)


def values(parameter: Any, missing: float = 0.0) -> Any:
    """Return a parameter's numbers, or the number that stands for one that was left out."""
    return missing if parameter is None else np.asarray(parameter.data)


def forward(layer: Any, x: ndarray) -> ndarray:
    """Return what a layer on the CPU should return for x in training mode."""
    return FORWARD[type(layer)](layer, x)


def _sequential(net: Any, x: ndarray) -> ndarray:
    for layer in net:
        x = forward(layer, x)
    return x


def _conv(layer: Any, x: ndarray) -> ndarray:
    return _with_weight(layer, values(layer.weight), x)


def _transposed(layer: Any, x: ndarray) -> ndarray:
    hw = transposed_size(layer, x.shape[1:3])
    return loops.conv_transpose2d(x, values(layer.weight), values(layer.bias), layer.stride, pads(layer, hw), hw)


def _labelled(wrapper: Any, x: ndarray) -> ndarray:
    """The wrapper gives sample n the label n % 3."""
    if isinstance(wrapper.layer, layers.JoinLabels):
        return _join_labels(wrapper, x)
    if isinstance(wrapper.layer, layers.Sequential):  # of a projection: PickLabel stands at the end
        for layer in wrapper.layer.layers[:-1]:
            x = forward(layer, x)
    return np.array([[x[n, n % 3]] for n in range(len(x))])


def _join_labels(wrapper: Any, x: ndarray) -> ndarray:
    """The channel of the label, behind the features, is 1, the others 0."""
    y = np.zeros((*x.shape[:-1], x.shape[-1] + wrapper.layer.classes))
    for index in np.ndindex(x.shape[:-1]):
        y[index] = [*x[index], *(float(index[0] % 3 == k) for k in range(wrapper.layer.classes))]
    return y


def _batchnorm(layer: Any, x: ndarray) -> ndarray:
    ones = np.ones(x.shape[-1])
    return loops.batchnorm(x, ones * values(layer.scale, 1.0), ones * values(layer.shift), layer.eps)


def _layer_norm(layer: Any, x: ndarray) -> ndarray:
    """All numbers of a sample, as the rows of one channel, have one mean and variance."""
    plain = [loops.batchnorm(sample.reshape(-1, 1), np.ones(1), np.zeros(1), layer.eps) for sample in x]
    return np.stack(plain).reshape(x.shape) * values(layer.scale, 1.0) + values(layer.shift)


def _instance_norm(layer: Any, x: ndarray) -> ndarray:
    return np.stack([_batchnorm(layer, sample) for sample in x])


def _spectral_norm(layer: Any, x: ndarray) -> ndarray:
    """sigma = v^T W u, with u and v as they are."""
    weight, u, v = (np.asarray(a) for a in (layer.layer.weight.data, *layer.buffers.values()))
    matrix = weight.reshape(-1, weight.shape[-1])
    sigma = math.fsum(v[k] * matrix[k, f] * u[f] for k, f in np.ndindex(matrix.shape))
    return _with_weight(layer.layer, weight / sigma, x)


def _with_weight(layer: Any, weight: ndarray, x: ndarray) -> ndarray:
    if isinstance(layer, layers.Linear):
        return loops.linear(x, weight, values(layer.bias))
    return loops.conv2d(x, weight, values(layer.bias), layer.stride, pads(layer, x.shape[1:3]))


def _global_sum(x: ndarray) -> ndarray:
    return np.array([[math.fsum(sample[..., c].ravel()) for c in range(x.shape[-1])] for sample in x])


def _residual(layer: Any, x: ndarray) -> ndarray:
    return forward(layer.branch, x) + (x if layer.shortcut is None else forward(layer.shortcut, x))


FORWARD = {
    layers.Conv2d: _conv,
    layers.ConvTranspose2d: _transposed,
    layers.Linear: lambda layer, x: loops.linear(x, values(layer.weight), values(layer.bias)),
    layers.BatchNorm: _batchnorm,
    layers.LayerNorm: _layer_norm,
    layers.InstanceNorm: _instance_norm,
    layers.SpectralNorm: _spectral_norm,
    layers.Upsample: lambda layer, x: loops.upsample(x, layer.output_size),
    layers.AveragePool: lambda layer, x: loops.downsample(x, mean=True),
    layers.GlobalAveragePool: lambda layer, x: _global_sum(x) / math.prod(x.shape[1:3]),
    layers.GlobalSumPool: lambda layer, x: _global_sum(x),
    layers.Residual: _residual,
    layers.ReLU: lambda layer, x: loops.relu(x),
    layers.LeakyReLU: lambda layer, x: loops.leaky_relu(x, layer.slope),
    layers.Tanh: lambda layer, x: loops.tanh(x),
    layers.Sigmoid: lambda layer, x: loops.sigmoid(x),
    layers.Flatten: lambda layer, x: np.array([list(sample.ravel()) for sample in x]),
    layers.Reshape: lambda layer, x: np.array([sample.ravel() for sample in x]).reshape(len(x), *layer.shape),
    Labelled: _labelled,
    layers.Sequential: _sequential,
}
