"""Time the drawing of many pictures: our generator as dcgan.generate runs it, and PyTorch's in eval mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.measure.timing import alternate, on_cpu
from benchmarks.measure.workloads import Workload
from benchmarks.rivals.same_step import load
from benchmarks.rivals.torch_step import networks
from dcgan.presets import find, initialiser
from dcgan.sampling import draw_z, lowest, sample
from gpunet.torch_format import to_torch

ROUNDS = 10  # the sides take turns; in each turn a side draws a tenth of the pictures
BATCHES = (32, 128)  # batch sizes for PyTorch; dcgan.sampling has its own for ours


class TorchSampler:
    """PyTorch's generator in one memory format; it draws in batches of one size."""

    def __init__(self, G: torch.nn.Module, low: float, layout: torch.memory_format, batch: int) -> None:
        self.G, self.low, self.batch = G.eval().to(memory_format=layout), low, batch

    @torch.inference_mode()
    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return uint8 pictures (N, H, W, C) for z (N, 1, 1, z_dim)."""
        return np.concatenate([self._bytes(self.G(part)) for part in torch.from_numpy(z[:, 0, 0]).split(self.batch)])

    def _bytes(self, x: torch.Tensor) -> np.ndarray:
        levels = x.sub_(self.low).mul_(255 / (1 - self.low)).round_().clamp_(0, 255)
        return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def measure(workload: Workload, count: int) -> dict[str, Any]:
    """Return the seconds of every side for `count` pictures.

    The sides draw a few pictures first: where these differ by more than one level of 255, no side is timed.
    """
    config, rng = workload.config, np.random.default_rng(0)
    G = find(config.preset).generator(config)
    initialiser(config)(G, rng)
    z = draw_z(rng, max(1, count // ROUNDS), config)
    samplers: dict[str, Any] = {"ours": lambda z: sample(G, z)}
    for layout in (torch.contiguous_format, torch.channels_last):
        for batch in BATCHES:
            twin = networks(workload.plain())[0]
            load(twin, to_torch(G))
            name = f"PyTorch {str(layout).rpartition('.')[2]}, batches of {batch}"
            samplers[name] = TorchSampler(twin, lowest(G), layout, batch)
    few = z[: 2 * max(BATCHES)]
    pictures = {name: sampler(few).astype(int) for name, sampler in samplers.items()}
    apart = max(int(np.abs(other - pictures["ours"]).max()) for other in pictures.values())
    sides = {name: lambda sampler=sampler: on_cpu(lambda: sampler(z)) for name, sampler in samplers.items()}
    found = alternate(sides, ROUNDS) if apart <= 1 else {}
    seconds = {name: timed.median / 1e3 * count / len(z) for name, timed in found.items()}
    return {"count": count, "levels_apart": apart, "verified": apart <= 1, "seconds": seconds}
