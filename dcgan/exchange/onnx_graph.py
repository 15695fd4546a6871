"""A network as a graph of ONNX: each layer becomes one node or a few. The package onnx is not needed here.

    G    z (N, z_dim), float  ->  pictures (N, C, H, W), float, in the range of G's last layer
    D    pictures (N, C, H, W)  ->  logits (N,)

A network that is told labels has a second input, labels (N,), int64: numbers of classes, from 0. N is any number.

Maps are (N, C, H, W) in the graph, as ONNX has them, and (N, H, W, C) in our layers. So a map is transposed where a
Flatten or a Reshape counts its numbers one by one: pixel by pixel, C numbers each. A map of 2x1 pixels with 3 channels
is a1 b1 / a2 b2 / a3 b3 in the graph, and a1 a2 a3 b1 b2 b3 for the Linear behind the Flatten.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dcgan.errors import UserError
from gpunet import backend, layers
from gpunet.backend.sizes import output_size
from gpunet.layers import Layer, Parameter, Sequential
from gpunet.layers.geometry import conv_pads, transposed_output

TO_ONNX = (3, 2, 0, 1)  # the axes of a convolution's weight: (KH, KW, in, out) -> (out, in, KH, KW)


class Node(NamedTuple):
    """A node: what it computes, the names of what goes in and of what comes out, and its attributes."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any]


class Value(NamedTuple):
    """What a node computes: its name, and the shape of one sample as our layers see it, (F,) or (H, W, C)."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """The rows and columns of a map."""
        return self.shape[0], self.shape[1]


class Graph:
    """The nodes of a network in their order and its constants by name; `labelled`: whether it takes labels."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.labelled = False
        self.place = ""  # of the layer whose nodes are being made: "3", or "3.branch.0" inside a block

    def node(self, op: str, *inputs: str | np.ndarray, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output; an input that is an array becomes a constant."""
        name = f"{self.place}.{op}.{len(self.nodes)}".lstrip(".")
        names = []
        for number, given in enumerate(inputs):
            if isinstance(given, np.ndarray):
                self.constants[f"{name}.{number}"] = np.ascontiguousarray(given)
            names.append(f"{name}.{number}" if isinstance(given, np.ndarray) else given)
        self.nodes.append(Node(op, names, output or name, attributes))
        return self.nodes[-1].output


Nodes = Callable[[Graph, Value, Any], Value]  # adds what a layer does with a value, and returns what comes of it


def of_generator(G: Sequential, z_dim: int) -> tuple[Graph, tuple[int, ...]]:
    """Return G's graph and the shape (H, W, C) of its pictures. UserError: G has a layer that ONNX is not told of."""
    graph, z = Graph(), Value("z", (z_dim,))
    if not isinstance(G[0], layers.Flatten):
        z = _as_map(graph, z, (1, 1, z_dim))
    pictures = add(graph, z, G)
    graph.node("Identity", pictures.name, output="pictures")
    return graph, pictures.shape


def of_discriminator(D: Sequential, shape: tuple[int, ...]) -> Graph:
    """Return D's graph for pictures (H, W, C). UserError: D has a layer that ONNX is not told of."""
    graph = Graph()
    logits = add(graph, Value("pictures", shape), D)
    graph.node("Reshape", logits.name, _numbers(-1), output="logits")
    return graph


def add(graph: Graph, x: Value, layer: Layer, place: str = "") -> Value:
    """Add the nodes of a layer, or of all layers of a list, and return its output."""
    if isinstance(layer, Sequential):
        for name, inner in layer.children():
            x = add(graph, x, inner, f"{place}.{name}".lstrip("."))
        return x
    graph.place = place
    nodes = LAYERS.get(type(layer))
    if nodes is None:
        raise UserError(f"--to onnx: layer {place}, {layer!r}, is none that ONNX is told of")
    return nodes(graph, x, layer)


# ---- layers with weights ----


def _conv(graph: Graph, x: Value, layer: Any) -> Value:
    pads = conv_pads(x.size, layer.kernel, layer.stride, layer.padding)
    size = [output_size(*axis) for axis in zip(x.size, layer.kernel, layer.stride, pads, strict=True)]
    name = graph.node("Conv", x.name, *_weights(layer, TO_ONNX), **_geometry(layer, pads))
    return Value(name, (*size, layer.channels[1]))


def _transposed(graph: Graph, x: Value, layer: Any) -> Value:
    """Add a transposed convolution. output_padding: the last rows and columns, which the stride leaves open.

    A map of 4 rows becomes 7 or 8 by a 5x5 kernel of stride 2 with 2 zeros on both sides: 2 (4 - 1) + 5 - 4 = 7, and
    for 8 one row more.
    """
    size = transposed_output(x.size, layer.kernel, layer.stride, layer.padding, layer.output_size)
    pads = conv_pads(size, layer.kernel, layer.stride, layer.padding)
    axes = zip(size, x.shape, layer.kernel, layer.stride, pads, strict=False)
    more = [whole - (stride * (side - 1) + kernel - sum(pad)) for whole, side, kernel, stride, pad in axes]
    geometry = _geometry(layer, pads) | {"output_padding": more}
    name = graph.node("ConvTranspose", x.name, *_weights(layer, TO_ONNX), **geometry)
    return Value(name, (*size, layer.channels[1]))


def _geometry(layer: Any, pads: Any) -> dict[str, Any]:
    (top, bottom), (left, right) = pads
    return {"kernel_shape": [*layer.kernel], "strides": [*layer.stride], "pads": [top, left, bottom, right]}


def _linear(graph: Graph, x: Value, layer: Any) -> Value:
    return Value(graph.node("Gemm", x.name, *_weights(layer, (0, 1))), (layer.features[1],))


def _spectral(graph: Graph, x: Value, layer: Any) -> Value:
    """Add the layer inside a spectral norm, with the weight that it computes with."""
    given = layer.layer.weight.data, layer.buffers["u"], layer.buffers["v"], layer.eps, 0
    inside = copy.copy(layer.layer)
    inside.weight = Parameter(backend.spectral_norm(*given)[0])
    return LAYERS[type(inside)](graph, x, inside)


def _weights(layer: Any, axes: tuple[int, ...]) -> list[np.ndarray]:
    weight = backend.to_numpy(layer.weight.data).transpose(axes)
    return [weight] if layer.bias is None else [weight, backend.to_numpy(layer.bias.data)]


# ---- norms ----


def _batchnorm(graph: Graph, x: Value, layer: Any) -> Value:
    """Add a batch norm by the running averages, or by the batch's statistics where the network samples so."""
    if layer.batch_statistics:
        return _normalised(graph, x, layer, [0, *_pixels(x)])
    affine = [_affine(layer, name) for name in ("scale", "shift")]
    running = [backend.to_numpy(layer.buffers[name]) for name in ("running_mean", "running_var")]
    name = graph.node("BatchNormalization", x.name, *affine, *running, epsilon=float(layer.eps))
    return Value(name, x.shape)


def _layernorm(graph: Graph, x: Value, layer: Any) -> Value:
    return _normalised(graph, x, layer, [1, *_pixels(x)])


def _instancenorm(graph: Graph, x: Value, layer: Any) -> Value:
    return _normalised(graph, x, layer, _pixels(x))


def _normalised(graph: Graph, x: Value, layer: Any, axes: list[int]) -> Value:
    """Add y = (x - mean) / sqrt(var + eps) * scale + shift; axes: those that mean and var are taken over."""
    deviations = graph.node("Sub", x.name, graph.node("ReduceMean", x.name, _numbers(*axes)))
    squares = graph.node("Mul", deviations, deviations)
    var = graph.node("ReduceMean", squares, _numbers(*axes))
    sd = graph.node("Sqrt", graph.node("Add", var, np.array(layer.eps, "float32")))
    y = graph.node("Div", deviations, sd)
    for op, name in (("Mul", "scale"), ("Add", "shift")):
        if getattr(layer, name) is not None:
            y = graph.node(op, y, _affine(layer, name).reshape(-1, *[1] * len(_pixels(x))))  # (C, 1, 1) or (C,)
    return Value(y, x.shape)


def _affine(layer: Any, name: str) -> np.ndarray:
    """Return a norm's scale or shift, (C,): 1 or 0 everywhere where it has none."""
    parameter = getattr(layer, name)
    return backend.to_numpy(parameter.data) if parameter else np.full(layer.channels, name == "scale", "float32")


def _pixels(x: Value) -> list[int]:
    """Return the axes of rows and columns in the graph; none for a vector."""
    return [2, 3] if len(x.shape) == 3 else []


# ---- layers without weights ----


def _elementwise(op: str) -> Nodes:
    return lambda graph, x, layer: Value(graph.node(op, x.name), x.shape)


def _leaky(graph: Graph, x: Value, layer: Any) -> Value:
    return Value(graph.node("LeakyRelu", x.name, alpha=float(layer.slope)), x.shape)


def _flatten(graph: Graph, x: Value, layer: Any = None) -> Value:
    if len(x.shape) == 1:
        return x
    turned = graph.node("Transpose", x.name, perm=[0, 2, 3, 1]) if math.prod(x.size) > 1 else x.name
    return Value(graph.node("Reshape", turned, _numbers(-1, math.prod(x.shape))), (math.prod(x.shape),))


def _reshape(graph: Graph, x: Value, layer: Any) -> Value:
    flat = _flatten(graph, x)
    return _as_map(graph, flat, layer.shape) if len(layer.shape) == 3 else Value(flat.name, layer.shape)


def _as_map(graph: Graph, x: Value, shape: tuple[int, ...]) -> Value:
    """Add what makes a map of shape (H, W, C) of a vector that has its numbers pixel by pixel."""
    height, width, channels = shape
    if height * width == 1:
        return Value(graph.node("Reshape", x.name, _numbers(-1, channels, 1, 1)), shape)
    pixels = graph.node("Reshape", x.name, _numbers(-1, *shape))
    return Value(graph.node("Transpose", pixels, perm=[0, 3, 1, 2]), shape)


def _join_labels(graph: Graph, x: Value, layer: Any) -> Value:
    """Add one-hot labels as further channels: on a map each is a plane, made by a product with a map of ones."""
    hot = _one_hot(graph, layer.classes)
    if len(x.shape) == 3:
        planes = graph.node("Reshape", hot, _numbers(-1, layer.classes, 1, 1))
        hot = graph.node("Mul", planes, np.ones((1, 1, *x.size), "float32"))
    return Value(graph.node("Concat", x.name, hot, axis=1), (*x.shape[:-1], x.shape[-1] + layer.classes))


def _pick_label(graph: Graph, x: Value, layer: Any) -> Value:
    """Add what keeps the number of the sample's own class, (N, 1): the sum of all, times 1 for it and 0 for others."""
    own = graph.node("Mul", x.name, _one_hot(graph, layer.classes))
    return Value(graph.node("ReduceSum", own, _numbers(1)), (1,))


def _one_hot(graph: Graph, classes: int) -> str:
    """Add one-hot labels, (N, classes), and note that the network takes labels."""
    graph.labelled = True
    return graph.node("OneHot", "labels", np.array(classes, "int64"), np.array([0, 1], "float32"))


def _upsample(graph: Graph, x: Value, layer: Any) -> Value:
    doubled = 2 * x.shape[0], 2 * x.shape[1]
    size = layer.output_size or doubled
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    name = graph.node("Resize", x.name, "", np.array([1, 1, 2, 2], "float32"), **how)
    if size != doubled:
        name = graph.node("Slice", name, _numbers(0, 0), _numbers(*size), _numbers(2, 3))
    return Value(name, (*size, x.shape[2]))


def _average_pool(graph: Graph, x: Value, layer: Any) -> Value:
    height, width, channels = x.shape
    pads = [0, 0, height % 2, width % 2]  # the last window of an odd side has one row or column, and its own mean
    name = graph.node("AveragePool", x.name, kernel_shape=[2, 2], strides=[2, 2], pads=pads, count_include_pad=0)
    return Value(name, ((height + 1) // 2, (width + 1) // 2, channels))


def _pool(op: str) -> Nodes:
    return lambda graph, x, layer: Value(graph.node(op, x.name, _numbers(2, 3), keepdims=0), x.shape[2:])


def _residual(graph: Graph, x: Value, layer: Any) -> Value:
    place = graph.place
    y = add(graph, x, layer.branch, f"{place}.branch")
    other = x if layer.shortcut is None else add(graph, x, layer.shortcut, f"{place}.shortcut")
    graph.place = place
    return Value(graph.node("Add", y.name, other.name), y.shape)


def _numbers(*values: int) -> np.ndarray:
    return np.array(values, "int64")


LAYERS: dict[type[Layer], Nodes] = {
    layers.Conv2d: _conv, layers.ConvTranspose2d: _transposed, layers.Linear: _linear, layers.SpectralNorm: _spectral,
    layers.BatchNorm: _batchnorm, layers.LayerNorm: _layernorm, layers.InstanceNorm: _instancenorm,
    layers.ReLU: _elementwise("Relu"), layers.LeakyReLU: _leaky,
    layers.Tanh: _elementwise("Tanh"), layers.Sigmoid: _elementwise("Sigmoid"),
    layers.Flatten: _flatten, layers.Reshape: _reshape, layers.JoinLabels: _join_labels,
    layers.PickLabel: _pick_label,
    layers.Upsample: _upsample, layers.AveragePool: _average_pool, layers.Residual: _residual,
    layers.GlobalAveragePool: _pool("ReduceMean"), layers.GlobalSumPool: _pool("ReduceSum"),
}  # fmt: skip
