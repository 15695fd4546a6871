"""The rivals of a race: chosen by their names, and started with our weights and pictures."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.measure.workloads import Batch, Workload
from benchmarks.rivals.names import MIXED, ON_CUDA, RIVALS, Rival
from benchmarks.rivals.same_step import pictures, torch_side
from benchmarks.rivals.torch_step import TorchStep
from gpunet import kernels

if TYPE_CHECKING:
    from benchmarks.rivals.jax_step import JaxStep


class Unfit(Exception):
    """Raised for a rival that cannot run a workload; the message says why."""


class Jax:
    """The rival JAX, which is run in one way."""

    name = "jax"

    def has(self, part: str) -> bool:
        """Return whether it has this part of PyTorch's ways: only "compiled"."""
        return part == "compiled"


def installed() -> bool:
    """Return whether JAX can be imported."""
    return importlib.util.find_spec("jax") is not None


def chosen(names: Sequence[str] | None, device: str, precision: str | None = None) -> tuple[Rival | Jax, ...]:
    """Return the rivals of these names, or the device's usual ones for None. Raises ValueError for an unknown name.

    precision: ours; with "bf16" and "fp16" each of PyTorch's ways gets the mixed precision of that name.
    """
    if names is None:
        usual = ON_CUDA if device == "cuda" else (*RIVALS, *[Jax()] * installed())
        return tuple(_in_precision(rival, precision) for rival in usual)
    if Jax.name in names and not installed():
        raise ValueError("got rival 'jax', and JAX is not installed: pip install 'gpunet[torch,jax]'")
    return tuple(Jax() if name == Jax.name else _in_precision(Rival(name), precision) for name in names)


def _in_precision(rival: Rival | Jax, precision: str | None) -> Rival | Jax:
    if isinstance(rival, Jax) or precision not in MIXED or rival.has(precision):
        return rival
    return Rival(f"{rival.name}+{precision}")


def start(
    rival: Rival | Jax, workload: Workload, values: Any, batch: Batch, low: float, device: str
) -> TorchStep | JaxStep:
    """Return the rival's step with these weights, pictures and z. Raises Unfit where it cannot run the workload."""
    if isinstance(rival, Rival):
        return torch_side(workload, rival, values, batch, low, device)
    if workload.preset != "dcgan64":
        raise Unfit("written for the preset dcgan64 only")
    if device != "cpu":
        raise Unfit("takes part on the CPU only")
    from benchmarks.rivals import jax_step

    jax_step.use_cpu(kernels.threads())
    return jax_step.JaxStep(workload.plain(), values, pictures(batch, low), batch.zs[0][:, 0, 0])
