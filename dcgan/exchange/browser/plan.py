"""G as a list of steps that a browser can carry out (layers.js), its weights as whole numbers of 8 or 16 bits.

    weight[..., o] = scale[o] q[..., o],   q from -127 to 127, or from -32767 to 32767

o counts the outputs of a layer. A batch norm behind a layer is a factor and a summand for each of its outputs. So the
factor goes into the weight, the summand into the bias, and the batch norm costs nothing. One that stands elsewhere, at
the head of a residual branch, stays: the step "affine". Batch norm uses its running averages.

Arrays are channels last, as ours are: a Flatten or a Reshape moves no number, and is no step.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dcgan.errors import UserError
from gpunet import backend
from gpunet.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    JoinLabels,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    Upsample,
)
from gpunet.layers.geometry import conv_pads, transposed_output

Step = dict[str, Any]  # "op", and what it needs: sizes, and arrays, or in a plan that is packed their places
Shape = tuple[int, ...]  # of one sample: (F,) or (H, W, C)
WEIGHTED = Conv2d, ConvTranspose2d, Linear
ALIGNED = 4  # bytes: every array begins at a multiple


def steps_of(layer: Layer, shape: Shape, place: str = "") -> tuple[list[Step], Shape]:
    """Return the steps of a layer, or of a list of layers, and the shape of its output. UserError: it is unknown."""
    if not isinstance(layer, Sequential):
        if type(layer) not in LAYERS:
            raise UserError(f"--to html: layer {place}, {layer!r}, is none that the page can compute")
        return LAYERS[type(layer)](layer, shape, place)
    steps: list[Step] = []
    for name, inner in layer.children():
        more, shape = steps_of(inner, shape, f"{place}.{name}".lstrip("."))
        for step in more:
            if step["op"] == "affine" and steps and "weight" in steps[-1]:
                steps[-1] = _folded(steps[-1], step)
            else:
                steps.append(step)
    return steps, shape


def _folded(before: Step, norm: Step) -> Step:
    """Return a step with weights that does a batch norm's work, too.

    A Linear whose outputs become a map of H x W pixels has H W outputs for each channel of the norm, one every C.
    """
    times = len(before["bias"]) // len(norm["factor"])
    factor, shift = np.tile(norm["factor"], times), np.tile(norm["shift"], times)
    return before | {"weight": before["weight"] * factor, "bias": before["bias"] * factor + shift}


def packed(steps: list[Step], bits: int) -> tuple[list[Step], bytes]:
    """Return the steps with the places of their arrays, in bytes, and the bytes of all arrays one after another."""
    content = bytearray()

    def place(array: np.ndarray) -> int:
        start = len(content)
        content.extend(array.astype(array.dtype.newbyteorder("<")).tobytes())
        content.extend(bytes(-len(content) % ALIGNED))
        return start

    def one(step: Step) -> Step:
        arrays = {name: value for name, value in step.items() if isinstance(value, np.ndarray) and name != "weight"}
        found = step | {name: place(array.astype("float32")) for name, array in arrays.items()}
        if "weight" in step:
            q, scale = quantised(step["weight"], bits)
            found |= {"count": q.size, "weight": place(q), "scale": place(scale)}
        return found | {name: list(map(one, step[name])) for name in ("branch", "shortcut") if name in step}

    return list(map(one, steps)), bytes(content)


def quantised(weight: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return q, whole numbers of so many bits in the weight's shape (..., outputs), and scale (outputs,), float32."""
    most = 2 ** (bits - 1) - 1
    largest = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0)
    scale = np.where(largest > 0, largest / most, 1).astype("float32")
    return np.rint(weight / scale).clip(-most, most).astype(f"int{bits}"), scale


def evaluated(G: Sequential, bits: int | None = None) -> Sequential:
    """Return a copy of G that computes as the page does: by running averages, with weights of so many bits."""
    net = copy.deepcopy(G).eval()
    for layer in net.walk():
        if isinstance(layer, BatchNorm):
            layer.batch_statistics = False
        elif bits and isinstance(layer, WEIGHTED):
            q, scale = quantised(_weight(layer), bits)
            data, rounded = layer.weight.data, (q * scale).astype("float32")
            data[...] = rounded.swapaxes(2, 3) if isinstance(layer, ConvTranspose2d) else rounded
    return net


# ---- the steps of each layer ----


def _weight(layer: Any) -> np.ndarray:
    """Return a weight whose last axis is the outputs: (KH, KW, C_in, C_out) or (F_in, F_out)."""
    weight = backend.to_numpy(layer.weight.data)
    return weight.swapaxes(2, 3) if isinstance(layer, ConvTranspose2d) else weight


def _arrays(layer: Any) -> Step:
    weight = _weight(layer).astype("float64")
    bias = np.zeros(weight.shape[-1]) if layer.bias is None else backend.to_numpy(layer.bias.data).astype("float64")
    return {"weight": weight, "bias": bias, "inputs": weight.shape[-2], "outputs": weight.shape[-1]}


def _linear(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    return [{"op": "linear", **_arrays(layer)}], (layer.features[1],)


def _conv(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    """Return a convolution of either kind: large is the map that the stride walks over, small the other one."""
    size = shape[0], shape[1]
    transposed = isinstance(layer, ConvTranspose2d)
    if transposed:
        out = transposed_output(size, layer.kernel, layer.stride, layer.padding, layer.output_size)
        small, large, pads = size, out, conv_pads(out, layer.kernel, layer.stride, layer.padding)
    else:
        pads = conv_pads(size, layer.kernel, layer.stride, layer.padding)
        axes = zip(size, pads, layer.kernel, layer.stride, strict=True)
        height, width = ((side + sum(pad) - kernel) // stride + 1 for side, pad, kernel, stride in axes)
        small, large, out = (height, width), size, (height, width)
    geometry = {"small": small, "large": large, "kernel": layer.kernel, "stride": layer.stride}
    step = {"op": "transposed" if transposed else "conv", **_arrays(layer), **geometry}
    return [step | {"before": [pads[0][0], pads[1][0]]}], (*out, layer.channels[1])


def _batchnorm(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    mean, var = (backend.to_numpy(layer.buffers[name]).astype("float64") for name in ("running_mean", "running_var"))
    factor = 1 / np.sqrt(var + layer.eps)
    if layer.scale is not None:
        factor = factor * backend.to_numpy(layer.scale.data)
    shift = -mean * factor
    if layer.shift is not None:
        shift = shift + backend.to_numpy(layer.shift.data)
    return [{"op": "affine", "factor": factor, "shift": shift, "outputs": layer.channels}], shape


def _slope(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    return [{"op": "leaky", "slope": float(layer.slope)}], shape


def _tanh(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    return [{"op": "tanh"}], shape


def _sigmoid(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    return [{"op": "sigmoid"}], shape


def _same_numbers(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    return [], layer.shape if isinstance(layer, Reshape) else (math.prod(shape),)


def _join(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    step = {"op": "join", "inputs": shape[-1], "classes": layer.classes}
    return [step], (*shape[:-1], shape[-1] + layer.classes)


def _upsample(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    size = layer.output_size or (2 * shape[0], 2 * shape[1])
    return [{"op": "upsample", "inputs": shape[2], "small": shape[:2], "large": size}], (*size, shape[2])


def _residual(layer: Any, shape: Shape, place: str) -> tuple[list[Step], Shape]:
    branch, out = steps_of(layer.branch, shape, f"{place}.branch")
    shortcut = [] if layer.shortcut is None else steps_of(layer.shortcut, shape, f"{place}.shortcut")[0]
    return [{"op": "residual", "branch": branch, "shortcut": shortcut}], out


LAYERS: dict[type[Layer], Callable[[Any, Shape, str], tuple[list[Step], Shape]]] = {
    Conv2d: _conv, ConvTranspose2d: _conv, Linear: _linear, BatchNorm: _batchnorm, ReLU: _slope, LeakyReLU: _slope,
    Tanh: _tanh, Sigmoid: _sigmoid, Flatten: _same_numbers, Reshape: _same_numbers, JoinLabels: _join,
    Upsample: _upsample, Residual: _residual,
}  # fmt: skip
