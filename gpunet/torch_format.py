"""Exchange of weights with PyTorch, as dicts of NumPy arrays under PyTorch's names; PyTorch itself is not needed.

    numpy.savez("g.npz", **to_torch(net))       torch_net.load_state_dict({k: torch.from_numpy(v) for k, v in ...})
    from_torch(net, torch_net.state_dict())     tensors on the CPU will do

What differs: a convolution's weight is (KH, KW, C_in, C_out) here and (C_out, C_in, KH, KW) there, a transposed
convolution's (KH, KW, C_out, C_in) and (C_in, C_out, KH, KW): the same permutation. Linear's weight is transposed.
BatchNorm's scale and shift are called weight and bias, as are those of InstanceNorm and of LayerNorm, which is
PyTorch's GroupNorm(1, C). SpectralNorm is torch.nn.utils.parametrizations.spectral_norm of the layer inside it. A
Linear next to a Flatten or Reshape keeps its order of numbers (H, W, C): the PyTorch network must permute to channels
last before it flattens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gpunet.backend.devices import to_numpy
from gpunet.layers import BatchNorm, InstanceNorm, Layer, LayerNorm, SpectralNorm

TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0)}  # the order of a weight's axes, by how many it has: convolutions, Linear
BATCHNORM_NAMES = {"scale": "weight", "shift": "bias", "running_mean": "running_mean", "running_var": "running_var"}
ABSENT = {"scale": 1, "shift": 0}  # PyTorch's BatchNorm has both or neither: what stands for the one we leave out
SAMPLE_NORM_NAMES = {"scale": "weight", "shift": "bias"}
SPECTRAL_NAMES = {  # in PyTorch's order
    "layer.bias": "bias",
    "layer.weight": "parametrizations.weight.original",
    "u": "parametrizations.weight.0._u",
    "v": "parametrizations.weight.0._v",
}
COUNTER = "num_batches_tracked"  # PyTorch's count of training batches, which only momentum=None would use


def to_torch(net: Layer) -> dict[str, np.ndarray]:
    """Return parameters and running statistics under PyTorch's names and in its layout: copies, on the CPU."""
    result: dict[str, np.ndarray] = {}
    for prefix, layer in _named_layers(net):
        result |= {prefix + name: array for name, array in _layer_to_torch(layer).items()}
    return result


def from_torch(net: Layer, state: Mapping[str, Any]) -> None:
    """Load a PyTorch state dict (arrays or CPU tensors) into the net.

    Raises ValueError naming every entry that is missing, unexpected or of the wrong shape; the net is then unchanged.
    """
    expected = to_torch(net)
    problems = [f"missing {name}" for name in expected if name not in state and not name.endswith(COUNTER)]
    problems += [f"unexpected {name}" for name in state if name not in expected]
    problems += [
        f"{name} has shape {tuple(state[name].shape)}, expected {array.shape}"
        for name, array in expected.items()
        if name in state and tuple(state[name].shape) != array.shape
    ]
    if problems:
        raise ValueError("PyTorch state dict does not fit: " + "; ".join(problems))
    own: dict[str, np.ndarray] = {}
    for prefix, layer in _named_layers(net):
        part = {name: np.asarray(state[prefix + name]) for name in _layer_to_torch(layer) if prefix + name in state}
        own |= {prefix + name: array for name, array in _layer_from_torch(prefix, layer, part).items()}
    net.load_state_dict(own)


def _named_layers(layer: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """Yield ("3.", layer) for every layer, with the prefix of its names."""
    yield prefix, layer
    for name, child in () if isinstance(layer, SpectralNorm) else layer.children():
        yield from _named_layers(child, f"{prefix}{name}.")


def _own_arrays(layer: Layer) -> dict[str, np.ndarray]:
    """Return the arrays that belong to this layer itself, children left out."""
    return {name: to_numpy(array) for name, array in layer.state_dict().items() if "." not in name}


def _layer_to_torch(layer: Layer) -> dict[str, np.ndarray]:
    if isinstance(layer, SpectralNorm):
        return _spectral_to_torch(layer)
    arrays = _own_arrays(layer)
    if isinstance(layer, LayerNorm | InstanceNorm):
        return {SAMPLE_NORM_NAMES[name]: array for name, array in arrays.items()}
    if not isinstance(layer, BatchNorm):
        if "weight" in arrays:
            arrays["weight"] = np.ascontiguousarray(_permuted(arrays["weight"]))
        return arrays
    if "scale" in arrays or "shift" in arrays:
        for name, value in ABSENT.items():
            arrays.setdefault(name, np.full_like(arrays["running_mean"], value))
    renamed = {new: arrays[name] for name, new in BATCHNORM_NAMES.items() if name in arrays}
    return renamed | {COUNTER: np.array(0, "int64")}


def _spectral_to_torch(layer: SpectralNorm) -> dict[str, np.ndarray]:
    """Return the arrays of a SpectralNorm; v has a number for each row of the weight, (KH, KW, C_in) or (F_in,)."""
    arrays = {name: to_numpy(array) for name, array in layer.state_dict().items()}
    weight = arrays["layer.weight"]
    arrays["layer.weight"] = np.ascontiguousarray(_permuted(weight))
    arrays["v"] = np.moveaxis(arrays["v"].reshape(weight.shape[:-1]), -1, 0).ravel()
    return {new: arrays[name] for name, new in SPECTRAL_NAMES.items() if name in arrays}


def _spectral_from_torch(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    own = {name: arrays[new] for name, new in SPECTRAL_NAMES.items() if new in arrays}
    weight = own["layer.weight"]  # (C_out, C_in, KH, KW) or (F_out, F_in)
    own["layer.weight"] = _permuted(weight, back=True)
    own["v"] = np.moveaxis(own["v"].reshape(weight.shape[1:]), 0, -1).ravel()
    return own


def _layer_from_torch(prefix: str, layer: Layer, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if isinstance(layer, SpectralNorm):
        return _spectral_from_torch(arrays)
    if isinstance(layer, LayerNorm | InstanceNorm):
        return {name: arrays[new] for name, new in SAMPLE_NORM_NAMES.items() if new in arrays}
    if not isinstance(layer, BatchNorm):
        if "weight" in arrays:
            arrays["weight"] = _permuted(arrays["weight"], back=True)
        return arrays
    own = {name: arrays[new] for name, new in BATCHNORM_NAMES.items() if new in arrays}
    for name in set(own) - set(_own_arrays(layer)):
        if (own.pop(name) != ABSENT[name]).any():
            given = f"{prefix}{BATCHNORM_NAMES[name]}"
            raise ValueError(f"{given} is not {ABSENT[name]} everywhere, and {layer!r} has no {name} to hold it")
    return own


def _permuted(weight: np.ndarray, back: bool = False) -> np.ndarray:
    axes = TO_TORCH[weight.ndim]
    return weight.transpose(np.argsort(axes) if back else axes)
