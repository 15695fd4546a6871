"""From options to a run: choose the device, open the data, make or find the folder, train, say where things are.

A new run is `train(*new_run(config))`, a resumed one `train(*resumed_run(path, options))`. Where several ranks train
together (gpunet.distributed), all of them go through these functions; rank 0 alone has the folder.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from dcgan import connection, initial_weights, memory, presets, quick, together
from dcgan.checks import batch_text, check
from dcgan.cli import INTERRUPTED, say
from dcgan.config import Config, option_name
from dcgan.data import Source, open_source, require_batch
from dcgan.data.limits import available_cores, default_memory_limit
from dcgan.data.recipe import absolute
from dcgan.device import choose_device, described, layers_of_wgmma, precision_of
from dcgan.errors import UserError
from dcgan.reporting import live
from dcgan.run import resume
from dcgan.run.collapse import to_the_end
from dcgan.run.folder import RunDir
from dcgan.run.record import COURSE, Record
from dcgan.trainer import Trainer
from gpunet import backend, distributed
from gpunet.files import write_atomically


def resolved(config: Config) -> Config:
    """Return a config with the device, the implementation and the precision that it gets here. Raises UserError."""
    check(config)
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the config alone
        _say_quick()
        device = choose_device(config, build=False)
    return replace(config, device=device, implementation=backend.implementation(device), precision=precision_of(device))


def _say_quick() -> None:
    """Say that DCGAN_QUICK lowers numbers, if it does."""
    if quick.notice():
        say(quick.notice())


def open_trainer(config: Config, progress: bool) -> Trainer:
    """Open the data and build the networks; say what runs where. All ranks call it. Raises UserError."""
    together.everywhere(check, config)
    _say_quick()
    device = together.by_turns(choose_device, config)
    implementation, precision = backend.implementation(device), precision_of(device)
    together.require_same({"device": device, "implementation": implementation, "precision": precision})
    size, origin = "x".join(map(str, config.image_size)), config.data or "built-in drawn faces"
    say(f"{config.preset} {size} on {origin}; {described(device)}")
    if distributed.ranks().size > 1:
        connection.connect(config, device)
    source = together.by_turns(_fitting_data, config, progress)
    together.everywhere(_require_same_data, source, together.spread(source.fingerprint))
    say(source.description)
    trainer = together.everywhere(_built, config, source, device)
    together.on_first(trainer.best.prepare)
    return trainer


def _fitting_data(config: Config, progress: bool) -> Source:
    """Return the pictures that a config asks for. Raises UserError where they are too few for a step."""
    source = open_data(config, progress)
    if config.accumulate > 1 and len(source) < config.pictures_per_step:
        raise UserError(
            f"{source.description}: fewer images than a step of --batch-size {batch_text(config)} takes, which are "
            f"{config.pictures_per_step:,}; lower one of them"
        )
    require_batch(source, config.batch_size)
    return source


def _require_same_data(source: Source, first: str) -> None:
    """Raise UserError where this rank has other pictures than rank 0."""
    if source.fingerprint != first:
        raise UserError(f"{source.description}: not the pictures that rank 0 has; all ranks need the same data")


def _built(config: Config, source: Source, device: str) -> Trainer:
    """Return the trainer on opened data, and say what is to be said of its memory and its layers."""
    say(memory.require(replace(config, channels=source.channels), device))
    trainer = Trainer(_settled(config, source), source, device)
    if config.conv == "wgmma":
        say(layers_of_wgmma((trainer.gan.G, trainer.gan.D)))
    return trainer


def _settled(config: Config, source: Source) -> Config:
    """Return a config with what the data says, and with full paths, so that a resume from another folder finds them."""
    known: dict[str, Any] = {"channels": source.channels, "classes": count_classes(config, source)}
    known |= {"data": config.data and os.path.abspath(config.data), "labels": absolute(config.labels)}
    if config.measure_features != "classifier":
        known["measure_features"] = os.path.abspath(config.measure_features)
    return replace(config, **known)


def open_data(config: Config, progress: bool) -> Source:
    """Return the pictures that a config asks for; the ranks of a machine share its memory and its cores."""
    c, here = config, distributed.ranks().local_size
    limit, workers = (None, None) if here == 1 else (default_memory_limit() // here, max(1, available_cores() // here))
    return open_source(
        c.data, c.image_size, c.crop, c.channels, c.seed, memory_limit=limit, workers=workers, progress=progress,
        pattern=c.pattern, labels=c.labels, train_size=c.train_size, crop_larger=c.crop_larger,
    )  # fmt: skip


def count_classes(config: Config, source: Source) -> int | None:
    """Return the number of classes, None for networks that are told no labels. UserError: the data does not fit."""
    if not presets.find(config.preset).is_told_labels(config):
        return None
    if source.labels is None:
        asks = "--conditional" if config.conditional else f"--preset {config.preset}"
        raise UserError(f"{asks} needs labels, which {config.data or 'the built-in data'} has not")
    there = int(np.max(source.labels)) + 1
    if config.classes is not None and there > config.classes:
        raise UserError(f"--classes: got {config.classes}, expected at least {there}, the labels of {config.data}")
    return config.classes or there


def new_run(config: Config, progress: bool) -> tuple[Trainer, RunDir | None]:
    """Return a new run at step 0; without its folder at ranks that write nothing."""
    together.require_same({option_name(name): value for name, value in asdict(config).items()})
    found = together.on_first(initial_weights.find, config.init_from) if config.init_from else None
    trainer = open_trainer(config, progress)
    run = together.on_first(_begun, trainer, found)
    trainer.spread()
    return trainer, run


def _begun(trainer: Trainer, found: initial_weights.Found | None) -> RunDir:
    """Give a trainer the weights that --init-from has found; return a new folder."""
    for line in initial_weights.take(trainer.gan, found) if found else ():
        say(line)
    return RunDir.create(trainer.config.out, trainer.config.preset)


def resumed_run(path: str, given: Mapping[str, Any], progress: bool) -> tuple[Trainer, RunDir | None]:
    """Return the run of a folder at its newest checkpoint, or of a checkpoint file.

    A file that is the newest of its run goes on in place; from any other a new run folder is made, which begins with
    the old log: nothing is overwritten. Of several ranks only rank 0 reads and writes there.
    """
    found = together.on_first(resume.find, path, say)
    config = together.on_first(_changed, found, given, path)
    config = Config.from_json(together.spread(config.to_json() if config else None))
    trainer = open_trainer(config, progress)
    run = together.on_first(_go_on, trainer, found, config, path)
    trainer.spread()
    return trainer, run


def _changed(found: resume.Found, given: Mapping[str, Any], path: str) -> Config:
    """Return the config of a resumed run. Raises UserError where it may not change so, or has no steps left."""
    config = resume.changed(found.config, given)
    _require_steps_left(found, config, path)
    return config


def _go_on(trainer: Trainer, found: resume.Found, config: Config, path: str) -> RunDir:
    """Bring a trainer, and the folder that is returned, to the state of a checkpoint. Raises UserError."""
    if found.state:
        _restore(trainer, found.state, path)
    at = f"step {trainer.step} of {trainer.last_step}"
    if trainer.step > trainer.last_step or (trainer.step == trainer.last_step and not found.run):
        raise UserError(f"{path} is at {at}: ask for more --steps or --epochs")
    run = found.run or RunDir.create(trainer.config.out, trainer.config.preset)
    if trainer.step < trainer.last_step:
        say(f"going on from step {trainer.step} in {run.path}")
    else:  # perhaps it was killed between its last checkpoint and its plot, so that is drawn now
        say(f"{path} is finished ({at}). To train longer, give a larger --steps or --epochs")
    if trainer.rollbacks:
        count = f"{len(trainer.rollbacks)} time{'s' * (len(trainer.rollbacks) != 1)}"
        say(f"the run has rolled back {count}: {trainer.rate:g} of the learning rate stays")
    _note_changes(trainer, found, config)
    _tidy(run, trainer, found, path)
    return run


def _note_changes(trainer: Trainer, found: resume.Found, now: Config) -> None:
    """Say what a resume changes so that the run takes another course; the trainer keeps it for run.json."""
    if 0 < trainer.step < trainer.last_step:
        nets = (trainer.gan.G, trainer.gan.D)
        ranks = resume.changed_ranks(found, now, nets, trainer.step, trainer.share.size)
        trainer.changes = resume.course_changes(found.config, now) + ranks
    if trainer.changes:
        say(f"changed: {', '.join(trainer.changes)}; from step {trainer.step} {COURSE}")


def _require_steps_left(found: resume.Found, config: Config, path: str) -> None:
    """Raise UserError where a checkpoint has all steps that --steps asks for, before any data is read."""
    step = (found.state or {}).get("step")
    if config.steps and type(step) is int and (step > config.steps or (step == config.steps and not found.run)):
        raise UserError(f"{path} is at step {step} of {config.steps}: ask for more --steps or --epochs")


def _tidy(run: RunDir, trainer: Trainer, found: resume.Found, path: str) -> None:
    """Bring a run folder to the state that it had at the trainer's step: no half files, no later lines of the log."""
    step, old = trainer.step, found.run or (RunDir(found.log.parent) if found.log else None)
    with run.locked():
        run.sweep()
        lacking = run.cut_log(step, found.log)
        if lacking:
            say(f"{run.log} lacks {lacking:,} of the {step:,} steps before: it was damaged or cut")
        if found.run is None:
            write_atomically(run.checkpoint(step), Path(path).read_bytes())
        trainer.best.settle(run.best, old.best if old else None, bool(trainer.changes))


def _restore(trainer: Trainer, state: dict[str, Any], path: str) -> None:
    """Put a checkpoint's state into a trainer of its config. Raises UserError where it does not fit."""
    with resume.fitting(path):
        trainer.load_state_dict(state)
        same_data = state["data"] == trainer.source.fingerprint
    if not same_data:
        say("the data is not what the run began with: going on with it from the start of the epoch")
        trainer.restart_epoch()


def train(trainer: Trainer, run: RunDir | None, progress: bool) -> int:
    """Train in a run folder to the end, or to a signal; return the exit status. run: None at ranks that write nothing.

    All ranks call it.
    """
    with contextlib.ExitStack() as stack:
        known = len(trainer.source.skipped)
        record = together.on_first(_enter, trainer, run, stack)
        how = "failed"
        try:
            done = to_the_end(trainer, run, record, progress)
            how = "finished" if done else "stopped"
        finally:
            _close(trainer, known, run)
            with contextlib.suppress(OSError):  # a full disk is told by what was to be saved
                if record:
                    record.end(trainer.step, how)
    return _say_goodbye(trainer, run, done) if run else 0 if done else INTERRUPTED


def _enter(trainer: Trainer, run: RunDir, stack: contextlib.ExitStack) -> Record:
    """Take a run folder for this process, until the stack is left; return its record."""
    run.complete()
    say(f"run folder: {run.path}")
    stack.enter_context(live.final(trainer.config.report_every is not None, run, say))
    stack.enter_context(run.locked())
    write_atomically(run.config, trainer.config.to_json().encode())
    run.list_skipped(trainer.source.skipped)
    return _record(trainer, run)


def _say_goodbye(trainer: Trainer, run: RunDir, done: bool) -> int:
    """Say where things are and, after a signal, how to go on; return the exit status."""
    if not done:
        say(f"stopped at step {trainer.step} of {trainer.last_step}, everything is saved")
        say(f"go on with: {together.start_words()}python -m dcgan.train --resume {shlex.quote(str(run.path))}")
        return INTERRUPTED
    say(f"samples: {run.sample(trainer.step)}")
    say(f"run folder: {run.path}")
    return 0


def _record(trainer: Trainer, run: RunDir) -> Record:
    """Write run.json as it is at the start; return it."""
    data = {"data": trainer.source.description, "classes": trainer.source.classes}
    data |= {"init_from": trainer.config.init_from} if trainer.config.init_from else {}
    record = Record(run, trainer.device, trainer.step, trainer.last_step, data)
    record.by_ranks(trainer.share.size)
    record.changed(trainer.changes)
    record.write()
    trainer.best.tell = record.best
    if trainer.best.state:
        record.best(trainer.best.state)
    return record


def _close(trainer: Trainer, known: int, run: RunDir | None) -> None:
    """Close the data; list the files that could not be read, if there are more than the `known` ones."""
    skipped = trainer.skipped.all() if run else []
    if run and len(skipped) > known:
        run.list_skipped(skipped)
        say(f"{len(skipped):,} files could not be read: {run.skipped}")
    trainer.source.close()
