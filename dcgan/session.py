"""From options to a run: choose the device, open the data, make or find the folder, train, say where things are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import presets
from dcgan.cli import INTERRUPTED
from dcgan.config import Config
from dcgan.data import Source, open_source, require_batch
from dcgan.device import choose_device, described
from dcgan.errors import UserError
from dcgan.run import log, tensorboard
from dcgan.run import resume as resuming
from dcgan.run.folder import RunDir
from dcgan.trainer import Trainer
from gpunet.files import write_atomically


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def open_trainer(config: Config, progress: bool) -> Trainer:
    """Say what will run where, open the data and build the networks."""
    presets.find(config.preset).check(config)
    if config.tensorboard:
        tensorboard.require()
    device = choose_device(config)
    size, origin = "x".join(map(str, config.image_size)), config.data or "built-in drawn faces"
    say(f"{config.preset} {size} on {origin}; {described(device)}")
    source = open_data(config, progress)
    require_batch(source, config.batch_size)
    say(source.description)
    data = config.data and os.path.abspath(config.data)  # found again from another folder
    settled = replace(config, channels=source.channels, classes=count_classes(config, source), data=data)
    return Trainer(settled, source, device)


def open_data(config: Config, progress: bool) -> Source:
    """Return the pictures that a config asks for."""
    c = config
    return open_source(
        c.data, c.image_size, c.crop, c.channels, c.seed, progress=progress,
        pattern=c.pattern, labels=c.labels, train_size=c.train_size,
    )  # fmt: skip


def count_classes(config: Config, source: Source) -> int | None:
    """Return how many labels the networks are to know, None for networks without. UserError: data that do not fit."""
    if not presets.find(config.preset).conditional:
        return None
    if source.labels is None:
        raise UserError(f"--preset {config.preset} needs labels, which {config.data or 'the built-in data'} has not")
    there = int(np.max(source.labels)) + 1
    if config.classes is not None and there > config.classes:
        raise UserError(f"--classes: got {config.classes}, expected at least {there}, the labels of {config.data}")
    return config.classes or there


def begin(config: Config, progress: bool) -> tuple[Trainer, RunDir]:
    """Return a new run at step 0."""
    trainer = open_trainer(config, progress)
    return trainer, RunDir.create(config.out, config.preset)


def resume(path: str, given: Mapping[str, Any], progress: bool) -> tuple[Trainer, RunDir]:
    """Return the run of a folder at its newest checkpoint, or of a checkpoint file.

    A file that is the newest of its run goes on in place; from any other a new run folder is made, which begins with
    the old log: nothing is overwritten.
    """
    found = resuming.find(path, say)
    trainer = open_trainer(resuming.changed(found.config, given), progress)
    if found.state:
        resuming.load(trainer, found.state, path, say)
    at = f"{path} is at step {trainer.step} of {trainer.last_step}"
    if trainer.step > trainer.last_step or (trainer.step == trainer.last_step and not found.run):
        raise UserError(f"{at}: ask for more --steps or --epochs")
    run = found.run or RunDir.create(trainer.config.out, trainer.config.preset)
    if trainer.step < trainer.last_step:
        say(f"going on from step {trainer.step} in {run.path}")
    else:  # perhaps killed between its last checkpoint and its plot
        say(f"{at}: nothing is left to train, more --steps or --epochs would be")
    with run.locked():
        run.sweep()
        run.cut_log(trainer.step, found.log)
        if found.run is None:
            write_atomically(run.checkpoint(trainer.step), Path(path).read_bytes())
    return trainer, run


def train(trainer: Trainer, run: RunDir, progress: bool) -> int:
    """Train in a run folder to the end, or to a signal; return the exit status."""
    with run.locked():
        known = len(trainer.source.skipped)
        write_atomically(run.config, trainer.config.to_json().encode())
        run.list_skipped(trainer.source.skipped)
        try:
            done = trainer.train(run, progress)
        except log.Diverged as error:
            kept = f"the last good checkpoint is {run.saved()[0]}" if run.saved() else "no checkpoint was made before"
            raise log.Diverged(f"{error}: training stopped, {kept}; a lower --lr may help") from error
        finally:
            _close(trainer.source, known, run)
        if done:
            from dcgan.run.plot import save_plot

            save_plot(run.plot, log.read(run.log))
    if not done:
        say(f"stopped at step {trainer.step} of {trainer.last_step}, everything is saved")
        say(f"go on with: python -m dcgan.train --resume {run.path}")
        return INTERRUPTED
    say(f"samples: {run.sample(trainer.step)}")
    say(f"run folder: {run.path}")
    return 0


def _close(source: Source, known: int, run: RunDir) -> None:
    """Let go of the data, and say so where files that could not be read were found since training began."""
    if len(source.skipped) > known:
        run.list_skipped(source.skipped)
        say(f"{len(source.skipped):,} files could not be read: {run.skipped}")
    source.close()
