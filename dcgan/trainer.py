"""Trainer: a run from its first step, or from the step behind a checkpoint, to its last; and what is due when."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import images
from dcgan.config import Config
from dcgan.data import Batch, Loader, Source
from dcgan.gan import GAN
from dcgan.measuring.best import Best
from dcgan.options import due
from dcgan.progress import step_bar, step_text
from dcgan.run import log
from dcgan.run.advice import Balance
from dcgan.run.curves import LossPlot
from dcgan.run.folder import RunDir
from dcgan.run.tensorboard import Board, opened
from dcgan.sampling import BATCH, balanced_labels, draw_z, sample, whole_batches
from dcgan.signals import stop_on_signal
from dcgan.stepper import Inputs, Stepper
from gpunet import checkpoint

# These warnings of NumPy are silenced while a run trains: the log reports divergence, once.
OVERFLOWS = "(overflow|invalid value|divide by zero) encountered"


class Output(NamedTuple):
    """Where a training writes: its folder, its log, its plot, and with --tensorboard an event file."""

    run: RunDir
    log: log.Log
    board: Board | None = None
    plot: LossPlot | None = None


class Trainer:
    """The networks, the data, the random numbers and the place in the data: all that a checkpoint holds.

    One generator draws weights, z and mirrorings; the order of the data is a function of (seed, epoch). So a run that
    was stopped and resumed does what the uninterrupted one does, bit for bit.
    """

    def __init__(self, config: Config, source: Source, device: str) -> None:
        self.config, self.source, self.device = config, source, device
        self.rng = np.random.default_rng(config.seed)
        self.fixed_z = draw_z(self.rng.spawn(1)[0], whole_batches(config.samples), config)
        self.gan = GAN(config, self.rng, device)
        self.stepper = Stepper(self.gan, device, config.graph)
        self.best = Best(config, source, device)
        self.step, self.start = 0, (0, 0)  # steps done; (epoch, position) of the next batch
        self.last_step = last_step(config, len(source))
        self.saved_step, self.lr = 0, config.lr
        self.changes: list[str] = []  # options that a resume has changed, for run.json
        self.tell_best: Callable[[dict[str, Any]], None] = lambda state: None  # session has it noted in run.json
        self.first_save = Early(0)
        self.early: Path | None = None  # the checkpoint that it asked for

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
            **({"best": self.best.state} if self.best.state else {}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises KeyError, ValueError or TypeError where it is not one of this config."""
        self.gan.load_state_dict(state["gan"])
        self.rng.bit_generator.state = state["random"]
        self.step, epoch, position = (int(state[name]) for name in ("step", "epoch", "position"))
        same_data = state["data"] == self.source.fingerprint
        if min(self.step, epoch, position) < 0 or (same_data and position > len(self.source)):
            raise ValueError(f"step {self.step}, epoch {epoch}, position {position} in {len(self.source)} pictures")
        self.saved_step, self.start = self.step, (epoch, position)
        self._take_fixed_z(state["fixed_z"])
        self.best.load(state.get("best"))
        self.lr = self.gan.adam_G.lr

    def _take_fixed_z(self, before: np.ndarray) -> None:
        """Take the z of the samples so far; more samples than before begin with the same, and go on as drawn here."""
        if before.shape[1:] != self.fixed_z.shape[1:] or len(before) % BATCH:
            raise ValueError(f"fixed_z: got shape {before.shape}, expected {self.fixed_z.shape}")
        count = min(len(before), len(self.fixed_z))
        self.fixed_z[:count] = before[:count]

    def restart_epoch(self) -> None:
        """Go back to the beginning of the epoch, because the data is no longer what the position was counted in."""
        self.start = (self.start[0], 0)

    def train(self, run: RunDir, progress: bool = True) -> bool:
        """Train to the last step; return False if a signal came before. Either way the last step is saved.

        Raises Diverged when a loss or a weight is no longer finite (earlier checkpoints stay), CheckpointError when a
        checkpoint cannot be written.
        """
        with (
            opened(self.config.tensorboard, run, self.step) as board,
            self.stepper.running(),
            stop_on_signal() as stop,
            self._loader() as loader,
            step_bar(self.step, self.last_step, progress) as bar,
            warnings.catch_warnings(),
        ):
            output = self._output(run, board, bar.write)
            self.first_save = Early(self.config.checkpoint_minutes)
            warnings.filterwarnings("ignore", OVERFLOWS, RuntimeWarning)
            while self.step < self.last_step and not stop:
                if self._step(next(loader), output):
                    more = step_text(output.log.newest, output.log.speed, self.source.progress())
                    bar.set_postfix_str(more, refresh=False)
                bar.update()
            self._finish(output)
        return self.step == self.last_step

    def _output(self, run: RunDir, board: Board | None, say: Callable[[str], None]) -> Output:
        watches = [Balance(say)] + ([board.scalars] if board else [])
        written = log.Log(run.path, self.config.batch_size, watches)
        return Output(run, written, board, LossPlot(run, self.config.preset))

    def _finish(self, output: Output) -> None:
        """Save the last step, unless it is saved, and draw the plot with it."""
        if self.saved_step < self.step:
            self.save(output)
        if output.plot:
            output.plot.update(now=True)

    def _loader(self) -> Loader:
        config = self.config
        return Loader(self.source, config.batch_size, config.seed, self.start, wrap=config.last_batch == "wrap")

    def _step(self, batch: Batch, output: Output) -> bool:
        """Train on a batch, with the sample grid and checkpoint that are due; return whether the log was fetched."""
        config = self.config
        flip = self.rng.random(config.batch_size) < 0.5 if config.flip else None
        zs = [draw_z(self.rng, config.batch_size, config) for _ in range(self.gan.draws(self.step + 1))]
        self._set_learning_rate(batch.epoch + 1)
        inputs = Inputs(batch.images, zs, flip, batch.labels if config.classes else None)
        stats = self.stepper(self.step + 1, inputs)
        self.step, self.start = self.step + 1, batch.next_start
        finished = self.start[0] if self.start[0] > batch.epoch else None
        numbers = self.best.numbers(self.gan, self.step, finished)
        fetched = output.log.record(self.step, batch.epoch + 1, {**stats, **numbers})
        if self.step in (1, self.last_step) or due(config.sample_every, self.step, finished):
            self.sample(batch, zs[0], output)
        if self.best.improved:
            self.save_best(output)
        if due(config.checkpoint_every, self.step, finished):
            self.save(output)
        elif self.first_save.due() and self.step < self.last_step:
            self.save(output)
            self.early = output.run.checkpoint(self.step)
        return fetched

    def _set_learning_rate(self, epoch: int) -> None:
        lr = learning_rate(self.config, epoch, self.step / self.last_step)
        if lr != self.lr:
            self.gan.adam_G.lr = self.gan.adam_D.lr = self.lr = lr

    def sample(self, batch: Batch, z: np.ndarray, output: Output) -> None:
        """Write what G now makes of the fixed z; and of the step's batch and z what real grids and event files show."""
        run, board = output.run, output.board
        labels, count = balanced_labels(len(self.fixed_z), self.config), self.config.samples
        with self.gan.averaged():
            pictures = sample(self.gan.G, self.fixed_z, labels)
        images.save_png(run.sample(self.step), images.grid(pictures[:count]))
        if self.config.real_grids:
            images.save_png(run.real_sample(self.step), images.grid(batch.images[:count]))
        if board:
            board.pictures(self.step, pictures[:count], batch.images[:count])
            of_real = batch.labels if self.config.classes else None
            board.histograms(self.step, self.gan, z, (batch.images, of_real), (pictures, labels))
        real = run.samples / "real.png"
        if not real.exists():
            some = np.linspace(0, len(self.source) - 1, min(self.config.samples, len(self.source)))
            images.save_png(real, images.grid(self.source.batch(some.astype(int))))

    def save_best(self, output: Output) -> None:
        """Write best.h5, a checkpoint of this step. Raises Diverged, CheckpointError."""
        output.log.flush()
        state = self.state_dict()
        log.require_finite(state["gan"], self.step)
        checkpoint.save(output.run.best, state)
        self.tell_best(state["best"])

    def save(self, output: Output) -> None:
        """Write the log and a checkpoint, then remove the oldest checkpoints. Raises Diverged, CheckpointError."""
        run = output.run
        output.log.flush()
        state = self.state_dict()
        log.require_finite(state["gan"], self.step)
        checkpoint.save(run.checkpoint(self.step), state)
        if self.early:
            self.early.unlink(missing_ok=True)
        self.first_save, self.early = Early(0), None
        run.list_skipped(self.source.skipped)  # more may have been found
        run.prune(self.config.keep, self.step)
        self.saved_step = self.step
        if output.plot:
            output.plot.update()


class Early:
    """Says once that the first minutes have passed, with no checkpoint so far; of 0 minutes never.

    A run that ends in its first minutes, before the first checkpoint is due, would otherwise lose all. The checkpoint
    that is saved then is removed when the next one is saved. So a run that goes to its end keeps the same steps with
    and without it; a run that was killed in between has one more, as after Ctrl-C.
    """

    def __init__(self, minutes: float) -> None:
        self.at = time.monotonic() + 60 * minutes if minutes else math.inf

    def due(self) -> bool:
        """Return whether the time has come."""
        return time.monotonic() >= self.at


def learning_rate(config: Config, epoch: int, done: float) -> float:
    """Return Adam's learning rate in an epoch (counted from 1), when a part `done` of the run, 0 to 1, lies behind.

        constant   lr
        step       lr * decay^floor(epoch / period)          fabulousjeong/dcgan-tensorflow: 0.2 and 3
        linear     lr * (1 - done)
    """
    if config.lr_schedule == "step":
        return config.lr * config.lr_decay ** (epoch // config.lr_period)
    if config.lr_schedule == "linear":
        return config.lr * (1 - done)
    return config.lr


def last_step(config: Config, count: int) -> int:
    """Return the steps of a whole run over so many pictures."""
    if config.steps:
        return config.steps
    if config.last_batch == "wrap":
        return -(-config.epochs * count // config.batch_size)
    return config.epochs * (count // config.batch_size)
