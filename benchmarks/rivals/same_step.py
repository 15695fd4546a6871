"""Run a rival's step on our weights and pictures, and measure how much its losses, gradients and update differ.

Three steps are compared. The first has learning rate 0, so its gradients are compared before Adam has changed anything:
an early update of Adam is +lr or -lr even for a gradient that consists of rounding errors alone. The second step has
the preset's learning rate, and its update of D is compared. The losses of all three steps are compared.

Two float32 implementations round differently. Where a number lies next to a ReLU's kink, rounding decides its sign, and
gradients then differ by more than rounding; PyTorch differs from itself in this way between memory formats. So each
gradient is compared as a whole: the root mean square of the difference, relative to that of the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.measure.workloads import Batch, Ours, Workload
from benchmarks.rivals.names import Rival
from benchmarks.rivals.torch_step import TorchStep, networks
from dcgan.sampling import lowest
from gpunet.backend import to_numpy
from gpunet.layers import Sequential
from gpunet.torch_format import TO_TORCH, to_torch

if TYPE_CHECKING:
    from benchmarks.rivals.jax_step import JaxStep

# The largest relative differences that are allowed, by the precision of products; losses below 1 differ absolutely. The
# bound of updates is wide: where a gradient is rounding alone, chance decides between +lr and -lr.
TOLERANCES = {
    "fp32": {"loss": 1e-2, "gradient": 2e-2, "update": 1e-1},
    "tf32x3": {"loss": 1e-2, "gradient": 2e-2, "update": 1e-1},
    "tf32": {"loss": 5e-2, "gradient": 1e-1, "update": 5e-1},
    "fp16": {"loss": 5e-2, "gradient": 2e-1, "update": 5e-1},  # PyTorch rounds activations, too; we round factors alone
    "bf16": {"loss": 1e-1, "gradient": 3e-1, "update": 8e-1},
}
SMALL = 1e-3  # a gradient smaller than this share of the largest may be rounding alone: see _apart


def load(twin: torch.nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Load the values that `to_torch` gave for our network into PyTorch's; layers with values have the same order."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        prefix, _, last = name.rpartition(".")
        layers.setdefault(prefix, {})[last] = torch.from_numpy(array)
    theirs = [module for module in twin.modules() if next(module.children(), None) is None and module.state_dict()]
    for module, values in zip(theirs, layers.values(), strict=True):
        module.load_state_dict({name: values[name] for name in module.state_dict()})


def weights(ours: Ours) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the present values of G and of D in PyTorch's layout."""
    return to_torch(ours.gan.G), to_torch(ours.gan.D)


def pictures(batch: Batch, low: float) -> np.ndarray:
    """Return the batch's pictures (N, H, W, C) as numbers from `low` to 1."""
    return batch.images * np.float32((1 - low) / 255) + np.float32(low)


def torch_side(workload: Workload, rival: Rival, values: Any, batch: Batch, low: float, device: str) -> TorchStep:
    """Return the rival's step with these weights and this batch, converted to tensors on the device."""
    plain = workload.plain()
    nets = networks(plain)
    for net, arrays in zip(nets, values, strict=True):
        load(net, arrays)
    real = pictures(batch, low).transpose(0, 3, 1, 2)
    tensors = [torch.tensor(np.ascontiguousarray(a)).to(device) for a in (real, *(z[:, 0, 0] for z in batch.zs))]
    return TorchStep(plain, rival, *nets, tensors[0], tensors[1:])


class Comparison:
    """Our first three steps; `errors` compares a rival's with them."""

    def __init__(self, ours: Ours, lr: float) -> None:
        self.values, self.low, self.lr = weights(ours), lowest(ours.gan.G), lr
        with ours.running():
            self._run(ours)

    def _run(self, ours: Ours) -> None:
        ours.set_lr(0.0)
        self.losses = [_numbers(ours.step())]
        self.gradients = {"G": _gradients(ours.gan.G), "D": _gradients(ours.gan.D)}
        ours.set_lr(self.lr)
        before = _values(ours.gan.D)
        self.losses.append(_numbers(ours.step()))
        self.after = _values(ours.gan.D)
        self.moved = np.linalg.norm(self.after - before)
        self.losses.append(_numbers(ours.step()))

    def errors(self, theirs: TorchStep | JaxStep) -> dict[str, float]:
        """Run the rival's three steps; return the largest relative differences of losses, gradients and D's update."""
        theirs.set_lr(0.0)
        losses = [_numbers(theirs.step(keep_gradients=True))]
        theirs.set_lr(self.lr)
        losses.append(_numbers(theirs.step()))
        after = theirs.values_of_D()
        losses.append(_numbers(theirs.step()))
        apart = [
            abs(a[name] - b[name]) / max(1.0, abs(b[name]))
            for a, b in zip(self.losses, losses, strict=True)
            for name in b
        ]
        gradient = np.max([_apart(self.gradients[name], theirs.gradients[name]) for name in "GD"])
        update = np.linalg.norm(self.after - after) / self.moved
        return {"loss": float(np.max(apart)), "gradient": float(gradient), "update": float(update)}  # NaN stays NaN

    def agrees(self, errors: Mapping[str, float], precision: str) -> bool:
        """Return whether these errors are within the tolerances; NaN is not."""
        return all(errors[name] <= most for name, most in TOLERANCES[precision].items())


def _numbers(losses: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in losses.items()}


def _gradients(net: Sequential) -> list[np.ndarray]:
    return [_as_torch(parameter.grad) for parameter in net.parameters()]


def _values(net: Sequential) -> np.ndarray:
    return np.concatenate([_as_torch(parameter.data).ravel() for parameter in net.parameters()])


def _as_torch(array: Any) -> np.ndarray:
    array = to_numpy(array)
    return np.array(array.transpose(TO_TORCH[array.ndim]) if array.ndim > 1 else array)


def _apart(ours: list[np.ndarray], theirs: list[Any]) -> float:
    """Return the largest relative difference of two gradients of a parameter, in root mean square.

    A gradient below SMALL times the largest is compared with that bound instead of its own size.
    """
    pairs = [(mine, np.asarray(other)) for mine, other in zip(ours, theirs, strict=True)]
    sizes = [_rms(other) for _, other in pairs]
    apart = [
        _rms(mine - other) / max(size, SMALL * max(sizes)) for (mine, other), size in zip(pairs, sizes, strict=True)
    ]
    return float(np.max(apart))


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype="float64"))))
