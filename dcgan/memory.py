"""How much memory a training needs, before anything of it is allocated, and how much there is.

    needed = BASE + COPIES x parameters + the larger of   a step:  batch x KEPT x (G's answers + 2 x D's answers)
                                                          a grid:  128 x DRAWN x the largest answer of G

in numbers of 4 bytes. An answer is what a layer gives for one picture. D's count twice, because it sees the real
pictures and G's in one pass; of --accumulate, one part is there at a time. With --precision bf16 or fp16, answers that
convolutions and batch norms hand to each other (gpunet.backend.factors) have 2 bytes per number. The factors are fitted
to the peaks that benchmarks/memory.py measures on a CPU.
"""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.presets import find
from dcgan.sampling import BATCH
from gpunet import backend, distributed
from gpunet.backend.factors import STORED
from gpunet.layers import Sequential
from gpunet.layers.base import same_defaults
from gpunet.layers.sequential import hands_over

BASE = 190 * 2**20  # bytes: Python, NumPy, HDF5, the drawing of loss.png
COPIES = 7.4  # of each parameter: itself, gradient, two moments, average, and what a checkpoint is written from
KEPT = 2.2  # arrays per answer: itself, the gradient that comes back, and what convolutions work in
DRAWN = 5.6  # arrays of the largest answer while a sample grid is drawn
TIGHT = 0.9  # of the free memory: other programs need some, and the estimate is off by a tenth or so
BEYOND = 1.5  # times all memory: an estimate that is over it does not fit; it is off by 30 % at most (docs/doctor.md)
LEAST_COPIES, LEAST_BYTES = 4, 2  # no training does without: four arrays of parameters; 16 bits for an answer


class Need(NamedTuple):
    """Bytes that a training needs: whatever the batch, per picture of it, and for a sample grid; and the least."""

    fixed: float
    picture: float
    grid: float
    least: float

    def of(self, batch_size: int) -> float:
        """Return the estimate for a batch size."""
        return self.fixed + max(batch_size * self.picture, self.grid)

    def largest(self, memory: float) -> int:
        """Return the largest batch that fits into so many bytes; 0 where none does."""
        return max(0, int((memory - self.fixed) / self.picture)) if self.fixed + self.grid <= memory else 0


def need(config: Config) -> Need:
    """Return what a config needs, from the shapes of its networks' answers to two pictures."""
    preset, settled = find(config.preset), replace(config, classes=config.classes or 2)
    with same_defaults():  # the run's own networks are built later
        G, D = preset.generator(settled), preset.discriminator(settled)
    of_G = answers(G, (1, 1, config.z_dim))
    of_D = answers(D, (*config.image_size, config.channels or 3))
    parameters = sum(parameter.data.size for net in (G, D) for parameter in net.parameters())
    narrow = config.precision in STORED
    kept = sum(answer.bytes(narrow) for answer in (*of_G, *of_D, *of_D))
    least = 4 * LEAST_COPIES * parameters
    least += LEAST_BYTES * config.batch_size * sum(answer.numbers for answer in (*of_G, *of_D, *of_D))
    drawn = 4 * BATCH * DRAWN * max(answer.numbers for answer in of_G)
    return Need(BASE + 4 * COPIES * parameters, KEPT * kept, drawn, least)


class Answer(NamedTuple):
    """The numbers that a layer gives for one picture, and whether it hands them over in 16 bits where that is done."""

    numbers: int
    handed: bool

    def bytes(self, narrow: bool) -> int:
        """Return what they take; narrow: with --precision bf16 or fp16."""
        return self.numbers * (2 if narrow and self.handed else 4)


def answers(net: Sequential, shape: tuple[int, ...]) -> list[Answer]:
    """Return what each layer gives for one picture or z of this shape.

    The last layers on the paths of a block are left out: only their sum, the block's answer, is kept.
    """
    x, sizes = np.zeros((2, *shape), "float32"), dict[str, Answer]()
    net.eval()
    with backend.use("reference"), net.given(np.zeros(2, "int32")):
        for place, layer, y in net.answers(x):
            for path, _ in layer.children():
                on_path = [name for name in sizes if name.startswith(f"{place}.{path}.")]
                sizes.pop(on_path[-1] if on_path else "", None)
            sizes[place] = Answer(math.prod(y.shape[1:]), hands_over(layer))
    return list(sizes.values())


def require(config: Config, device: str) -> str:
    """Return the line that says what memory is expected to be needed, and the largest batch where that will be tight.

    Raises UserError, with the largest batch that fits, where the training surely takes more than there is: its estimate
    is over BEYOND times as much, or the least that it takes is more. Each of several ranks needs the memory of its part
    of a batch; those of a machine share its memory on the CPU.
    """
    group = distributed.ranks()
    mine, sharing = config.batch_size // group.size, group.local_size if device == "cpu" else 1
    needed = need(replace(config, batch_size=mine))
    free, total = (whole / sharing for whole in available(device))
    expected, each = needed.of(mine), f" for each of {group.size} ranks" if group.size > 1 else ""
    if needed.least > total or expected > BEYOND * total:
        raise UserError(
            f"--batch-size: got {config.batch_size}, which takes about {_gib(expected)} of memory on {device}{each}, "
            f"and {_gib(needed.least)} at the very least; here are {_gib(total)}: {_fits(needed, free, group.size)}"
        )
    known = f", {_gib(free)} are free on {device}" if math.isfinite(free) else ""
    tight = f"; {_fits(needed, free, group.size)}" if expected > TIGHT * free else ""
    return f"memory: about {_gib(expected)} are needed{each}{known}{tight}"


def _fits(needed: Need, free: float, ranks: int) -> str:
    """Return in words how large a batch of so many ranks may be."""
    batch = ranks * needed.largest(TIGHT * free)
    return f"the largest batch that fits is about {batch}" if batch else "not even one picture fits: a smaller --width"


def available(device: str) -> tuple[float, float]:
    """Return the bytes that are free on a device, and all that it has, swap included; infinity where unknown."""
    if device == "cuda":
        import cupy

        free, total = cupy.cuda.runtime.memGetInfo()
        return float(free), float(total)
    free, total = _of_machine()
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        group = Path("/sys/fs/cgroup")
        granted = int((group / "memory.max").read_text())
        free, total = min(free, granted - int((group / "memory.current").read_text())), min(total, granted)
    return free, total


def _of_machine() -> tuple[float, float]:
    """Return the free and all bytes of the machine, as Linux tells them; elsewhere all are taken for free."""
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        kib = {name: int(value.split()[0]) for name, value in lines.items()}
        swap = kib.get("SwapTotal", 0)
        return 1024.0 * kib["MemAvailable"], 1024.0 * (kib["MemTotal"] + swap)
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        total = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf, math.inf
    return total, total


def _gib(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB"
