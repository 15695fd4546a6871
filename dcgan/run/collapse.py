"""--on-collapse: what follows when a training collapses or diverges: it stops, or goes back, and says so.

A rollback goes back to the last good checkpoint, with half the learning rate.

Nothing is hidden: the log as it was is kept in abandoned-1.jsonl, the first step of the new course has "rollbacks" in
log.jsonl, run.json has an entry, and every later checkpoint knows it. Checkpoints of the steps behind the good one go:
a resume would take them for the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.cli import say
from dcgan.doctoring.networks import first_not_finite
from dcgan.errors import Collapsed, Diverged
from dcgan.run import log
from dcgan.run.record import Record
from dcgan.together import on_first
from gpunet import checkpoint
from gpunet.checkpoint import CheckpointError
from gpunet.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from dcgan.run.folder import RunDir
    from dcgan.trainer import Trainer

MOST = 3  # rollbacks: an eighth of the learning rate that still collapses says that something else is wrong
NONE_BEFORE = "no checkpoint was made before"


def to_the_end(trainer: Trainer, run: RunDir | None, record: Record | None, progress: bool) -> bool:
    """Train to the last step, through rollbacks; return False after a signal. Raises Collapsed where it stops.

    All ranks come here; run, record: None for those that write nothing.
    """
    while True:
        try:
            return trainer.train(run, progress)
        except Collapsed as seen:
            on_first(_answer, trainer, run, record, seen)
            trainer.spread()


def _answer(trainer: Trainer, run: RunDir, record: Record, seen: Collapsed) -> None:
    """Take the run back to before a collapse. Raises Collapsed where that is not wanted or cannot be."""
    error = _root(trainer, seen)
    if isinstance(error, Diverged):
        record.write(not_finite=first_not_finite(trainer))
    wanted = trainer.config.on_collapse == "rollback"
    why_not = _go_back(trainer, run, error, record) if wanted else "training stopped"
    if why_not:
        record.write(why=str(error))
        raise _stopped(trainer, run, error, why_not) from None


def _root(trainer: Trainer, error: Collapsed) -> Collapsed:
    """Return the divergence that lies behind a collapse, if one does: pictures of NaN are all alike."""
    try:
        log.require_finite({} if isinstance(error, Diverged) else trainer.gan.state_dict(), trainer.step)
    except Diverged as diverged:
        return diverged
    return error


def _stopped(trainer: Trainer, run: RunDir, error: Collapsed, why: str) -> Collapsed:
    """Save what may be saved of a training that collapsed; return the error that says so."""
    if not isinstance(error, Diverged):
        trainer.keep(run)
        return Collapsed(f"{error}: {why}, step {trainer.step:,} is saved: {run.checkpoint(trainer.step)}")
    kept = f"the last good checkpoint is {run.saved()[0]}" if run.saved() else NONE_BEFORE
    said = why if why.startswith(kept) else f"{why}, {kept}"
    return Diverged(f"{error}: {said}; a lower --lr may help")


def _go_back(trainer: Trainer, run: RunDir, error: Collapsed, record: Record) -> str:
    """Take a trainer and its folder back to before a collapse. Return "", or why that cannot be."""
    if len(trainer.rollbacks) >= MOST:
        return f"{MOST} rollbacks have not helped"
    found = _last_good(run, error.good_step)
    if found is None:
        return f"{NONE_BEFORE}, up to step {error.good_step:,}"
    path, state = found
    trainer.load_state_dict(state)
    trainer.best.settle(run.best, run.best, changed=True)
    trainer.rollbacks.append([error.step, trainer.step])
    number, rate = len(trainer.rollbacks), trainer.rate
    say(str(error))
    say(f"rollback {number} of at most {MOST}: back to {path}, and on with {rate:g} of the learning rate")
    _abandon(run, error.step, number)
    for later in run.saved():
        if int(later.stem) > trainer.step:
            later.unlink()
    run.cut_log(trainer.step)
    checkpoint.save(path, trainer.state_dict())
    record.rolled_back({"at_step": error.step, "to_step": trainer.step, "rate": rate, "why": str(error)})
    return ""


def _last_good(run: RunDir, step: int) -> tuple[Path, dict] | None:
    """Return the newest whole checkpoint of a step up to this one, and its tree."""
    for path in run.saved():
        if int(path.stem) <= step:
            try:
                return path, checkpoint.load(path)
            except CheckpointError as error:
                say(f"{error}; going back to the one before")
    return None


def _abandon(run: RunDir, step: int, number: int) -> None:
    """Keep the log up to the step of the collapse in a file of its own."""
    lines = run.log.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if (found := log.record_of(line)) and found["step"] <= step]
    write_atomically(run.path / f"abandoned-{number}.jsonl", b"".join(kept))
