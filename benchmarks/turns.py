"""Time training steps with pictures from several sources; the sources take turns, step by step.

A source may have processes that decode pictures ahead. They are halted while another source has its turn.
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
    """A folder of pictures, the folder of their cache, and the options of the networks that train on them."""

    data: Path
    cache: Path
    config: Config
    steps: int

    def open(self) -> Source:
        """Return the pictures as training reads them."""
        return open_source(self.data, (64, 64), CROP, 3, cache_dir=self.cache, progress=False)

    def first_step(self) -> float:
        """Return the seconds from opening the data to the end of the first step."""
        began = time.perf_counter()
        source = self.open()
        self.times([source], 1)
        taken = time.perf_counter() - began
        source.close()
        return taken

    def times(self, sources: Sequence[Source], steps: int) -> np.ndarray:
        """Return an array (sources, 2): median seconds of a step, and mean seconds that it waits for its batch.

        The first batch is left out of the mean.
        """
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
    """Let the decoding processes of all these sources run, or of `only` one and halt those of the others."""
    for source in sources:
        helpers = source.helpers.processes if isinstance(source, GrowingSource) else []
        for process in helpers:
            process.send_signal(signal.SIGCONT if only in (None, source) else signal.SIGSTOP)
