"""Training steps with pictures from several sources, which take turns, step by step.

The processes that decode ahead for a source stand still while it is another's turn.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.jpegs import CROP
from dcgan.config import Config
from dcgan.data import Loader, Source, open_source
from dcgan.data.storage.growing import GrowingSource
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend


@dataclass(frozen=True)
class Bench:
    """The data in a folder, its cache beside it, and the network that trains."""

    data: Path
    cache: Path
    config: Config
    steps: int

    def open(self) -> Source:
        return open_source(self.data, (64, 64), CROP, 3, cache_dir=self.cache, progress=False)

    def first_step(self) -> float:
        """Seconds from nothing to the end of a run's first step."""
        began = time.perf_counter()
        source = self.open()
        self.times([source], 1)
        taken = time.perf_counter() - began
        source.close()
        return taken

    def times(self, sources: Sequence[Source], steps: int) -> np.ndarray:
        """Median seconds of a step and mean seconds of waiting for a batch after the first; sources take turns."""
        rng, config, batch_size = np.random.default_rng(0), self.config, self.config.batch_size
        stepper = Stepper(GAN(config, rng, config.device), config.device, config.graph)
        seconds = np.zeros((steps, len(sources), 2))
        with ExitStack() as stack:
            stack.enter_context(stepper.running())
            loaders = [stack.enter_context(Loader(source, batch_size, seed=0)) for source in sources]
            stack.callback(let_decode, *sources)
            for number, turn in np.ndindex(steps, len(sources)):
                let_decode(*sources, only=sources[turn])
                began = time.perf_counter()
                batch, waited = next(loaders[turn]), time.perf_counter() - began
                stats = stepper(number + 1, Inputs(batch.images, [draw_z(rng, batch_size, config)]))
                [float(backend.to_numpy(value)) for value in stats.values()]  # until they are there
                seconds[number, turn] = time.perf_counter() - began, waited
        return np.stack([np.median(seconds[..., 0], axis=0), seconds[min(1, steps - 1) :, :, 1].mean(axis=0)], axis=1)


def let_decode(*sources: Source, only: Source | None = None) -> None:
    """Let the processes go on that decode ahead for these sources, or for one, and halt those of the others."""
    for source in sources:
        helpers = source.helpers.processes if isinstance(source, GrowingSource) else []
        for process in helpers:
            process.send_signal(signal.SIGCONT if only in (None, source) else signal.SIGSTOP)
