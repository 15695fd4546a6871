"""Numbers while training runs (--measure-every), and the best checkpoint: RUN/checkpoints/best.h5.

Measuring draws from random numbers of its own, always the same z, and reads the same real pictures each time. So it
changes nothing in the run, and its numbers compare from step to step. The best checkpoint is that of the smallest
Frechet distance.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.config import Config
from dcgan.data import Source
from dcgan.errors import UserError
from dcgan.gan import GAN
from dcgan.measuring import quality
from dcgan.measuring.features import Features
from dcgan.measuring.quality import Reference
from dcgan.options import due
from gpunet import backend, checkpoint
from gpunet.checkpoint import CheckpointError
from gpunet.files import write_atomically

SEED = 0  # of the z that are drawn for each measurement


def check(config: Config) -> None:
    """Raise UserError where features cannot be compared from step to step."""
    if config.measure_every and config.measure_features == "discriminator":
        raise UserError(
            "--measure-features: got discriminator, which changes with every step, expected classifier or FILE.onnx"
        )


class Best:
    """Measures a run at the steps that are due, and remembers the best.

    state     {"step", "frechet", "features", "count"} of the best checkpoint, None before the first; saved with the run
    improved  whether the newest measurement is the best
    """

    def __init__(self, config: Config, source: Source, device: str) -> None:
        check(config)
        self.config, self.source, self.device = config, source, device
        self.state: dict[str, Any] | None = None
        self.improved = False
        self.tell: Callable[[Any], None] = lambda state: None  # is told of a new best, once it is saved
        self._ready: tuple[Features, Reference] | None = None

    def prepare(self) -> None:
        """Get the features, which may take a short training, and the real pictures'. Raises UserError."""
        if self._ready or not self.config.measure_every:
            return
        config, count = self.config, min(self.config.measure_count, len(self.source))
        quality.require_enough(count, self.source.description)
        features = quality.lasting(config.measure_features, self.source, self.device, partial(print, flush=True))
        taken = np.linspace(0, len(self.source) - 1, count).astype(int)
        self._ready = features, Reference(features.of(quality.real_batches(self.source, taken, config)))

    def numbers(self, gan: GAN, step: int, finished: int | None) -> dict[str, Any]:
        """Return the numbers of a step as 0-d arrays on the device, {} where none are due."""
        self.improved = False
        if not due(self.config.measure_every, step, finished):
            return {}
        self.prepare()
        assert self._ready
        features, reference = self._ready
        with gan.averaged():
            made = features.of(quality.made_batches(gan.G, self.config, self.config.measure_count, SEED))
        found = reference.numbers(made)
        self._compare(step, found["frechet"], features.origin.get("sha256"))
        return {name: backend.to_device(np.asarray(value, "float32"), self.device) for name, value in found.items()}

    def _compare(self, step: int, frechet: float, features: str | None) -> None:
        """Remember a step if it is the best so far, or the first one with these features and this count."""
        same = {"features": features, "count": self.config.measure_count}
        before = self.state if self.state and same.items() <= self.state.items() else None
        if np.isfinite(frechet) and (before is None or frechet < before["frechet"]):
            self.state, self.improved = {"step": step, "frechet": frechet, **same}, True

    def load(self, state: Any) -> None:
        """Take the best of a checkpoint; those of older versions have none."""
        self.state = state if isinstance(state, dict) and {"step", "frechet"} <= state.keys() else None

    def settle(self, run: Path, old: Path | None, changed: bool) -> None:
        """Bring the state and best.h5 together where a run goes on; run, old: its best.h5 now and before, if any.

        In a new folder the old file is copied, if it is not of a later step. In the old folder a best.h5 of a later
        step stays: the run comes by that step again; where options have changed its course it does not, and has to beat
        that file.
        """
        if old == run:
            found = _state_of(run) if changed else None
            if found and (not self.state or found["step"] > self.state["step"]):
                self.state = found
        elif old and self.state and _state_of(old) == self.state:
            write_atomically(run, old.read_bytes())
        else:
            self.state = None


def _state_of(path: Path) -> dict[str, Any] | None:
    """Return what a best.h5 says of itself; None where there is none, or a damaged one."""
    try:
        state = checkpoint.load(path).get("best") if path.exists() else None
    except CheckpointError:
        return None
    return state if isinstance(state, dict) and {"step", "frechet"} <= state.keys() else None
