"""What a section is given: the sizes of its work, whether PyTorch takes part, and where its results go."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu.findings import Section
from gpunet.backend import PRECISIONS
from gpunet.backend.choices import tensor_cores

ROOT = Path(__file__).parents[2]
FULL_SIZE = 0.5  # from this scale on pictures have 64 x 64 pixels, below it 16 x 16


@dataclass(frozen=True)
class Settings:
    """Full size is width 64, batch 64; scale 0.05, width 8 and batch 4, is a quick try of every section."""

    scale: float
    torch: bool
    folder: Path
    section: Section

    @property
    def width(self) -> int:
        return max(8, round(64 * self.scale))  # tensor cores take multiples of 8

    @property
    def batch(self) -> int:
        return max(4, round(64 * self.scale))

    @property
    def full(self) -> bool:
        """Whether the work has, in kind, its full size."""
        return self.scale >= FULL_SIZE

    @property
    def size(self) -> int:
        """Pixels of a picture's side."""
        return 64 if self.full else 16

    def workload(self, factor: int = 1) -> str:
        """Return the name of the workload, with `factor` times the batch."""
        return f"dcgan64-nf{self.width}-b{factor * self.batch}" + ("" if self.full else f"-s{self.size}")

    def times(self, count: int) -> int:
        """Return a number of repetitions, or of anything that may be fewer; at least 2."""
        return max(2, round(count * min(1.0, self.scale)))

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that the GPU multiplies in; two of them are enough for a quick try."""
        some = PRECISIONS if self.full else ("fp32", "bf16")
        return some if tensor_cores() else ("fp32",)

    @property
    def has_torch(self) -> bool:
        """Whether PyTorch is wanted, is there, and sees the GPU."""
        if not self.torch or importlib.util.find_spec("torch") is None:
            return False
        import torch

        return torch.cuda.is_available()

    def keep(self, **values: Any) -> None:
        """Keep results under their names."""
        self.section.keep(**values)

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Add a row to a list of results."""
        self.section.add(name, row)
