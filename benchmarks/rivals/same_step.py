"""Both sides of a step on the same numbers: PyTorch's networks with our weights, and how far a rival comes apart.

The first step has learning rate 0: after it all gradients are compared, untouched by Adam, whose first updates make
+lr or -lr of a gradient that is rounding alone. The second has the preset's: what it adds to D's parameters and
the losses of this step and the next are compared, too.

Two float32 implementations round differently, and where a number next to a ReLU's kink changes its sign the gradients
differ by more than rounding; PyTorch differs from itself in the same way between memory formats. So gradients are
compared as a whole: the root mean square of the difference, relative to that of the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.measure.workloads import Batch, Ours, Workload
from benchmarks.rivals.torch_step import Rival, TorchStep, networks
from dcgan.sampling import lowest
from gpunet.backend import to_numpy
from gpunet.layers import Sequential
from gpunet.torch_format import TO_TORCH, to_torch

if TYPE_CHECKING:
    from benchmarks.rivals.jax_step import JaxStep

# Most that losses (where below 1 in absolute terms), gradients and D's update may differ by, relatively, by the
# precision that products are rounded to. An update is +lr or -lr, by chance where a gradient is rounding alone.
TOLERANCES = {
    "fp32": {"loss": 1e-2, "gradient": 2e-2, "update": 1e-1},
    "tf32": {"loss": 5e-2, "gradient": 1e-1, "update": 5e-1},
}
SMALL = 1e-3  # a gradient this much smaller than the largest is compared with the largest: it may be rounding alone


def load(twin: torch.nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Give PyTorch's network the values of `to_torch` of ours: the layers that have any come in the same order."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        prefix, _, last = name.rpartition(".")
        layers.setdefault(prefix, {})[last] = torch.from_numpy(array)
    theirs = [module for module in twin.modules() if next(module.children(), None) is None and module.state_dict()]
    for module, values in zip(theirs, layers.values(), strict=True):
        module.load_state_dict({name: values[name] for name in module.state_dict()})


def weights(ours: Ours) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the values of G and of D as they are now."""
    return to_torch(ours.gan.G), to_torch(ours.gan.D)


def pictures(batch: Batch, low: float) -> np.ndarray:
    """Return the batch's pictures (N, H, W, C) as numbers from `low` to 1."""
    return batch.images * np.float32((1 - low) / 255) + np.float32(low)


def torch_side(workload: Workload, rival: Rival, values: Any, batch: Batch, low: float, device: str) -> TorchStep:
    """Return the rival with these weights and this batch, already as numbers on the device."""
    plain = workload.plain()
    nets = networks(plain)
    for net, arrays in zip(nets, values, strict=True):
        load(net, arrays)
    real = pictures(batch, low).transpose(0, 3, 1, 2)
    tensors = [torch.tensor(np.ascontiguousarray(a)).to(device) for a in (real, *(z[:, 0, 0] for z in batch.zs))]
    return TorchStep(plain, rival, *nets, tensors[0], tensors[1:])


class Comparison:
    """What our first steps came to; `errors` says how far a rival's are from it."""

    def __init__(self, ours: Ours, lr: float) -> None:
        self.values, self.low, self.lr = weights(ours), lowest(ours.gan.G), lr
        ours.set_lr(0.0)
        self.losses = [_numbers(ours.step())]
        self.gradients = {"G": _gradients(ours.gan.G), "D": _gradients(ours.gan.D)}
        ours.set_lr(lr)
        before = _values(ours.gan.D)
        self.losses.append(_numbers(ours.step()))
        self.after = _values(ours.gan.D)
        self.moved = np.linalg.norm(self.after - before)
        self.losses.append(_numbers(ours.step()))

    def errors(self, theirs: TorchStep | JaxStep) -> dict[str, float]:
        """Run the rival's first steps; return the largest relative differences of losses, gradients and D's update."""
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
        tolerances = TOLERANCES["fp32" if precision == "fp32" else "tf32"]
        return all(errors[name] <= most for name, most in tolerances.items())


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
    """Return the largest difference of two gradients of a parameter, relative in root mean square."""
    pairs = [(mine, np.asarray(other)) for mine, other in zip(ours, theirs, strict=True)]
    sizes = [_rms(other) for _, other in pairs]
    apart = [
        _rms(mine - other) / max(size, SMALL * max(sizes)) for (mine, other), size in zip(pairs, sizes, strict=True)
    ]
    return float(np.max(apart))


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype="float64"))))
