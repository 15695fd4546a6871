"""Trainer: a run from its first step, or from the step behind a checkpoint, to its last; and what is due when."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import augment, heartbeat, images
from dcgan.config import Config
from dcgan.data import Batch, Loader, Source
from dcgan.data.share import Share
from dcgan.gan import GAN
from dcgan.measuring.best import Best
from dcgan.options import due
from dcgan.penalties import draw_mix
from dcgan.progress import step_bar, step_text
from dcgan.run import log
from dcgan.run.folder import RunDir
from dcgan.run.output import Output, output_of
from dcgan.run.pace import Pace
from dcgan.run.tensorboard import Board, opened
from dcgan.run.watch import Watch
from dcgan.sampling import BATCH, balanced_labels, draw_z, sample, whole_batches
from dcgan.schedule import Early, last_step, learning_rate
from dcgan.signals import Stop, stop_on_signal
from dcgan.stepper import Inputs, Stepper
from dcgan.steps import Stats
from dcgan.together import Agreement, Skipped, alone, is_first, spread
from gpunet import checkpoint, distributed
from gpunet.distributed.digest import drifted

# These warnings of NumPy are silenced while a run trains: the log reports divergence, once.
OVERFLOWS = "(overflow|invalid value|divide by zero) encountered"


class Trainer:
    """The networks, the data, the random numbers and the place in the data: all that a checkpoint holds.

    One generator draws weights, z and mirrorings; the order of the data is a function of (seed, epoch). So a run that
    was stopped and resumed does what the uninterrupted one does, bit for bit.

    Of several ranks (gpunet.distributed) each has a trainer. All draw the same numbers and go through the same steps,
    each with its share of every batch; rank 0's alone writes files and says what is to be said.
    """

    def __init__(self, config: Config, source: Source, device: str) -> None:
        self.config, self.source, self.device = config, source, device
        self.rng = np.random.default_rng(config.seed)
        self.fixed_z = draw_z(self.rng.spawn(1)[0], whole_batches(config.samples), config)
        self.gan = GAN(config, self.rng, device)
        group = distributed.ranks()
        self.share, self.agreement = Share(group.rank, group.size, config.accumulate), Agreement()
        self.stepper = Stepper(self.gan, device, config.graph and group.captures)
        self.best, self.skipped = Best(config, source, device), Skipped(source)
        self.step, self.start = 0, (0, 0)  # steps done; (epoch, position) of the next batch
        self.last_step = last_step(config, len(source))
        self.saved_step, self.rates = 0, config.rates
        self.watch = Watch(config.on_collapse)
        self.watches: list[log.Watch] = []  # others that are called with the numbers of the log
        self.rollbacks: list[list[int]] = []  # (from, to) of each: its steps
        self.changes: list[str] = []  # options that a resume has changed, for run.json
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
            "classes": self.source.classes,
            "random": self.rng.bit_generator.state,
            "fixed_z": self.fixed_z,
            "watch": self.watch.state_dict(),
            "rollbacks": self.rollbacks,
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
        self.rates = self.gan.rates
        self.rollbacks = [[int(a), int(b)] for a, b in state.get("rollbacks", [])]  # older versions have none
        if "watch" in state:
            self.watch.load_state_dict(state["watch"])

    def _take_fixed_z(self, before: np.ndarray) -> None:
        """Take the z of the samples so far; more samples than before begin with the same, and go on as drawn here."""
        if before.shape[1:] != self.fixed_z.shape[1:] or len(before) % BATCH:
            raise ValueError(f"fixed_z: got shape {before.shape}, expected {self.fixed_z.shape}")
        count = min(len(before), len(self.fixed_z))
        self.fixed_z[:count] = before[:count]

    @property
    def rate(self) -> float:
        """The factor of the learning rate: each rollback has halved it."""
        return 0.5 ** len(self.rollbacks)

    def restart_epoch(self) -> None:
        """Go back to the beginning of the epoch, because the data is no longer what the position was counted in."""
        self.start = (self.start[0], 0)

    def spread(self) -> None:
        """Bring all ranks to the state of rank 0."""
        state = spread(self.state_dict() if is_first() else None)
        if not is_first():
            self.load_state_dict(state)

    def train(self, run: RunDir | None, progress: bool = True) -> bool:
        """Train to the last step; return False if a signal came before. Either way the last step is saved.

        run: where; None for a rank that writes nothing. Raises Diverged when a loss or a weight is no longer finite
        (earlier checkpoints stay), Collapsed when the watch says that the run shall not go on (then nothing is saved
        yet), CheckpointError when one cannot be written.
        """
        with (
            opened(self.config.tensorboard, run, self.step) as board,
            self.stepper.running(),
            stop_on_signal() as stop,
            self._loader() as loader,
            step_bar(self.step, self.last_step, progress and run is not None) as bar,
            warnings.catch_warnings(),
        ):
            self.agreement = Agreement()
            output = self._output(run, board, bar.write) if run else None
            self.first_save = Early(self.config.checkpoint_minutes)
            warnings.filterwarnings("ignore", OVERFLOWS, RuntimeWarning)
            with heartbeat.watched():
                while self.step < self.last_step and (batch := self._next(loader, stop)):
                    if self._step(batch, output) and output:
                        more = step_text(output.log.newest, output.log.speed, self.source.progress())
                        bar.set_postfix_str(more, refresh=False)
                    bar.update()
            self._end(output)
        return self.step == self.last_step

    def _next(self, loader: Loader, stop: Stop) -> Batch | None:
        """Return the next batch; None where a signal has come, at whichever rank. Raises what any rank has kept."""
        if distributed.ranks().size == 1:
            return None if stop else next(loader)
        heartbeat.begin_step()
        batch = self.agreement.attempt(next, loader)
        return None if self.agreement.settle(bool(stop)) else batch

    def _end(self, output: Output | None) -> None:
        """Save the last step, unless it is saved; all ranks wait for it."""
        self.agreement.settle()
        self._compare_ranks(output)
        if output:
            self.agreement.attempt(alone, self._finish, output)
        self.agreement.settle()

    def _output(self, run: RunDir, board: Board | None, say: Callable[[str], None]) -> Output:
        self.watch.say = say
        pace = Pace(self.step, self.last_step, self.config.pictures_per_step, say)
        others = [*self.watches, *([board.scalars] if board else [])]
        watches: list[log.Watch] = [*others, pace, self.watch.records]  # the watch last: it may raise
        return output_of(run, self.config, watches, board, say)

    def _finish(self, output: Output) -> None:
        """Save the last step, unless it is saved, and draw the plot with it."""
        if self.saved_step < self.step:
            self.save(output)
        if output.plot:
            output.plot.update(now=True)

    def _loader(self) -> Loader:
        config, wrap = self.config, self.config.last_batch == "wrap"
        return Loader(self.source, config.pictures_per_step, config.seed, self.start, wrap=wrap, share=self.share)

    def _step(self, batch: Batch, output: Output | None) -> bool:
        """Train on a batch, with the sample grid and checkpoint that are due; return whether the log was fetched."""
        inputs = self._inputs(batch)
        self._set_learning_rates(batch.epoch + 1)
        stats = self.stepper(self.step + 1, inputs)
        heartbeat.end_step()
        self.step, self.start = self.step + 1, batch.next_start
        finished = self.start[0] if self.start[0] > batch.epoch else None
        if due(self.config.checkpoint_every, self.step, finished):
            self._compare_ranks(output)
        given = batch, inputs, stats, finished, output
        return bool(output and self.agreement.attempt(alone, self._write_what_is_due, *given))

    def _compare_ranks(self, output: Output | None) -> None:
        """Say where ranks have drifted apart: all shall have the same weights, bit for bit; ask what they skipped."""
        self.skipped.gather()
        apart = ", ".join(map(str, drifted((self.gan.adam_G, self.gan.adam_D))))
        if apart and output:
            self.watch.say(f"step {self.step}: the weights of rank {apart} are not those of rank 0, which are saved")

    def _write_what_is_due(
        self, batch: Batch, inputs: Inputs, stats: Stats, finished: int | None, output: Output
    ) -> bool:
        """Write what a step calls for: its numbers, grids, checkpoints; return whether the log was fetched."""
        config = self.config
        numbers = self.best.numbers(self.gan, self.step, finished)
        if self.rollbacks and self.rollbacks[-1][1] == self.step - 1:
            output.log.note(self.step, rollbacks=len(self.rollbacks), rate=self.rate)
        fetched = output.log.record(self.step, batch.epoch + 1, {**stats, **numbers})
        regular = self.step == 1 or due(config.sample_every, self.step, finished)
        if regular or self.step == self.last_step:
            self.sample(batch, inputs.zs[0], output, regular)
        if self.best.improved:
            self._write(output, output.run.best)
            self.best.tell(self.best.state)
        if due(config.checkpoint_every, self.step, finished):
            self.save(output)
        elif self.first_save.due() and self.step < self.last_step:
            self.save(output)
            self.early = output.run.checkpoint(self.step)
        if output.report and due(config.report_every, self.step, finished):
            output.log.flush()
            output.report.write()
        return fetched

    def _inputs(self, batch: Batch) -> Inputs:
        """Return what the next step takes: a batch, and random numbers; of those for all ranks, this rank's share."""
        config, number, count = self.config, self.step + 1, self.config.pictures_per_step
        mine = self.share.of
        flip = mine(self.rng.random(count) < 0.5) if config.flip else None
        zs = [mine(draw_z(self.rng, count, config)) for _ in range(self.gan.draws(number))]
        changes = augment.draw(self.rng, config, self.gan.views(number))
        noise = augment.noise_of(config, number, self.step / self.last_step)
        mix = mine(draw_mix(self.rng, count)) if self.gan.mixes(number) else None
        labels = batch.labels if config.classes else None
        return Inputs(batch.images, zs, flip, labels, None if changes is None else mine(changes, 1), noise, mix)

    def _set_learning_rates(self, epoch: int) -> None:
        """Set the rates of this step, where they are not what they were: setting them costs two copies to a GPU."""
        done = self.step / self.last_step
        of_G, of_D = (self.rate * learning_rate(self.config, epoch, done, first) for first in self.config.rates)
        if (of_G, of_D) != self.rates:
            self.gan.rates = self.rates = of_G, of_D

    def sample(self, batch: Batch, z: np.ndarray, output: Output, regular: bool) -> None:
        """Write what G now makes of the fixed z; and of the step's batch and z what real grids and event files show.

        regular: the watch takes note; not of the last step's grid, which a longer run would not have.
        """
        run, board = output.run, output.board
        labels, count = balanced_labels(len(self.fixed_z), self.config), self.config.samples
        with self.gan.averaged():
            pictures = sample(self.gan.G, self.fixed_z, labels)
        images.save_png(run.sample(self.step), images.grid(pictures[:count]))
        if self.config.real_grids:
            shown = self.source.first(count) if self.config.real_first else self._shown(batch, count)
            images.save_png(run.real_sample(self.step), images.grid(shown))
        if board:
            board.pictures(self.step, pictures[:count], self._shown(batch, count))
            first = slice(self.config.batch_size)  # of a step's batches: more may not fit into memory at once
            of_real = batch.labels[first] if self.config.classes and batch.labels is not None else None
            board.histograms(self.step, self.gan, z[first], (batch.images[first], of_real), (pictures, labels))
        real = run.samples / "real.png"
        if not real.exists():
            images.save_png(real, images.grid(self.source.spread(count)))
        if regular:
            self.watch.pictures(self.step, pictures[:count], real)

    def _shown(self, batch: Batch, count: int) -> np.ndarray:
        """Return the first pictures of a batch, also those that other ranks have trained on."""
        return batch.images[:count] if self.share.size == 1 else self.source.batch(batch.indices[:count])

    def keep(self, run: RunDir) -> None:
        """Save the step that `train` has left. Raises Diverged, CheckpointError."""
        self._finish(self._output(run, None, print))

    def save(self, output: Output) -> None:
        """Write the log and a checkpoint, then remove the oldest checkpoints. Raises Diverged, CheckpointError."""
        run = output.run
        self._write(output, run.checkpoint(self.step))
        if self.early:
            self.early.unlink(missing_ok=True)
        self.first_save, self.early = Early(0), None
        run.list_skipped(self.skipped.all())  # more may have been found
        run.prune(self.config.keep, self.step)
        self.saved_step = self.step
        if output.plot:
            output.plot.update()

    def _write(self, output: Output, path: Path) -> None:
        """Write the log and a checkpoint of this step."""
        output.log.flush()
        state = self.state_dict()
        log.require_finite(state["gan"], self.step)
        checkpoint.save(path, state)
