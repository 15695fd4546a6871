"""Trainer: a run from its first step, or the one behind a checkpoint, to its last."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from tqdm import tqdm

from dcgan import images
from dcgan.config import Config
from dcgan.data import Batch, Loader, Source
from dcgan.gan import GAN
from dcgan.run import log
from dcgan.run.folder import RunDir
from dcgan.run.tensorboard import Board, opened
from dcgan.sampling import balanced_labels, draw_z, sample, whole_batches
from dcgan.schedules import due, last_step, learning_rate
from dcgan.signals import stop_on_signal
from dcgan.stepper import Stepper
from gpunet import checkpoint


class Trainer:
    """The networks, the data, the random numbers and the place in the data: all that a checkpoint holds, and a folder.

    One generator draws weights, z and mirrorings; the order of the data is a function of (seed, epoch). So a run that
    was stopped and resumed does what the uninterrupted one does, bit for bit.
    """

    def __init__(self, config: Config, source: Source, device: str) -> None:
        self.config, self.source, self.device = config, source, device
        self.rng = np.random.default_rng(config.seed)
        self.fixed_z = draw_z(self.rng.spawn(1)[0], whole_batches(config.samples), config)
        self.gan = GAN(config, self.rng, device)
        self.stepper = Stepper(self.gan, device, config.graph)
        self.step, self.start = 0, (0, 0)  # steps done; (epoch, position) of the next batch
        self.last_step = last_step(config, len(source))
        self.saved_step, self.lr = 0, config.lr
        self.board: Board | None = None  # while training with --tensorboard

    def state_dict(self) -> dict[str, Any]:
        """Return everything that the rest of the run depends on, as a checkpoint holds it."""
        return {
            "config": self.config.to_json(),
            "step": self.step,
            "epoch": self.start[0],
            "position": self.start[1],
            "data": self.source.fingerprint,
            "random": self.rng.bit_generator.state,
            "fixed_z": self.fixed_z,
            "gan": self.gan.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises KeyError, ValueError or TypeError where it is not one of this config."""
        self.gan.load_state_dict(state["gan"])
        self.rng.bit_generator.state = state["random"]
        self.step = self.saved_step = int(state["step"])
        self.start = (int(state["epoch"]), int(state["position"]))
        self.fixed_z[...] = state["fixed_z"]
        self.lr = self.gan.adam_G.lr

    def restart_epoch(self) -> None:
        """Go back to the beginning of the epoch, because the data is no longer what the position was counted in."""
        self.start = (self.start[0], 0)

    def train(self, run: RunDir, progress: bool = True) -> bool:
        """Train to the last step; return False if a signal came before. Either way the last step is saved.

        Raises log.Diverged when a loss or a weight is no longer finite (earlier checkpoints stay), CheckpointError
        when a checkpoint cannot be written.
        """
        self.run = run
        with (
            opened(self.config.tensorboard, run, self.step) as self.board,
            self.stepper.running(),
            stop_on_signal() as stop,
            self._loader() as loader,
            self._bar(progress) as bar,
            warnings.catch_warnings(),
        ):
            self.log = log.Log(run.path, self.config.batch_size, *([self.board.scalars] if self.board else []))
            warnings.filterwarnings("ignore", "(overflow|invalid value|divide by zero) encountered", RuntimeWarning)
            while self.step < self.last_step and not stop:  # what diverges, the log says and stops, once
                if self._step(next(loader)):
                    bar.set_postfix(self.log.newest | self.source.progress(), refresh=False)
                bar.update()
            if self.saved_step < self.step:
                self.save()
        return self.step == self.last_step

    def _loader(self) -> Loader:
        config = self.config
        return Loader(self.source, config.batch_size, config.seed, self.start, wrap=config.last_batch == "wrap")

    def _bar(self, progress: bool) -> tqdm:
        pause = 0.2 if sys.stderr.isatty() else 10  # seconds: a log file needs no animation
        return tqdm(total=self.last_step, initial=self.step, unit="step", mininterval=pause, disable=not progress)

    def _step(self, batch: Batch) -> bool:
        """Train on a batch, with the sample grid and checkpoint that are due; return whether the log was fetched."""
        config = self.config
        flip = self.rng.random(config.batch_size) < 0.5 if config.flip else None
        zs = [draw_z(self.rng, config.batch_size, config) for _ in range(self.gan.draws(self.step + 1))]
        self._set_learning_rate(batch.epoch + 1)
        stats = self.stepper(self.step + 1, batch.images, zs, flip, batch.labels if config.classes else None)
        self.step, self.start = self.step + 1, batch.next_start
        fetched = self.log.record(self.step, batch.epoch + 1, stats)
        finished = self.start[0] if self.start[0] > batch.epoch else None
        if self.step in (1, self.last_step) or due(config.sample_every, self.step, finished):
            self.sample(batch, zs[0])
        if due(config.checkpoint_every, self.step, finished):
            self.save()
        return fetched

    def _set_learning_rate(self, epoch: int) -> None:
        lr = learning_rate(self.config, epoch, self.step / self.last_step)
        if lr != self.lr:
            self.gan.adam_G.lr = self.gan.adam_D.lr = self.lr = lr

    def sample(self, batch: Batch, z: np.ndarray) -> None:
        """Write the pictures of the fixed z as they are now, and the real ones beside them; z and batch: the step's."""
        labels, count = balanced_labels(len(self.fixed_z), self.config), self.config.samples
        pictures = sample(self.gan.G, self.fixed_z, labels)
        images.save_png(self.run.sample(self.step), images.grid(pictures[:count]))
        if self.config.real_grids:
            images.save_png(self.run.real_sample(self.step), images.grid(batch.images[:count]))
        if self.board:
            self.board.pictures(self.step, pictures[:count], batch.images[:count])
            of_real = batch.labels if self.config.classes else None
            self.board.histograms(self.step, self.gan, z, (batch.images, of_real), (pictures, labels))
        real = self.run.samples / "real.png"
        if not real.exists():
            some = np.linspace(0, len(self.source) - 1, min(self.config.samples, len(self.source)))
            images.save_png(real, images.grid(self.source.batch(some.astype(int))))

    def save(self) -> None:
        """Write the log and a checkpoint, then let go of the oldest ones."""
        self.log.flush()
        state = self.state_dict()
        log.require_finite(state["gan"], self.step)
        checkpoint.save(self.run.checkpoint(self.step), state)
        self.run.list_skipped(self.source.skipped)  # more may have been found
        self.run.prune(self.config.keep, self.step)
        self.saved_step = self.step
