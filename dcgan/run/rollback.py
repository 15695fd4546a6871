"""--on-collapse rollback: a run goes back to its last good checkpoint, with half the learning rate, and says so.

Nothing is hidden: the log as it was is kept in abandoned-1.jsonl, the first step of the new course has "rollbacks" in
log.jsonl, run.json has an entry, and every later checkpoint knows it. Checkpoints of the steps behind the good one go:
a resume would take them for the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.cli import say
from dcgan.errors import Collapsed
from dcgan.run import log
from dcgan.run.record import Record
from gpunet import checkpoint
from gpunet.checkpoint import CheckpointError
from gpunet.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from dcgan.run.folder import RunDir
    from dcgan.trainer import Trainer

MOST = 3  # rollbacks: an eighth of the learning rate that still collapses says that something else is wrong


def go_back(trainer: Trainer, run: RunDir, error: Collapsed, record: Record) -> str:
    """Take a trainer and its folder back to before a collapse. Return "", or why that cannot be."""
    if len(trainer.rollbacks) >= MOST:
        return f"{MOST} rollbacks have not helped"
    found = _last_good(run, error.good_step)
    if found is None:
        return f"no checkpoint was made before, up to step {error.good_step:,}"
    path, state = found
    trainer.load_state_dict(state)
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
