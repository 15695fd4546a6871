"""Findings about the course of a training: who wins, what the sample grids say, where numbers stopped being finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcgan.doctoring.evidence import YOUNG, Evidence
from dcgan.losses import LOSSES, SCORES
from dcgan.run.advice import Diversity, Finding, diversity, rows

LEARNED = 1000  # steps behind which G's pictures should differ: before, a slow rate may explain that they do not
ALIKE = 0.25  # of the diversity of real pictures: trainings that go well have 70 % or more after LEARNED steps


def won(evidence: Evidence, name: str) -> Finding | None:
    """One network has won for many steps in a row: the row of this name (dcgan.run.advice)."""
    row, loss = next(row for row in rows() if row.name == name), evidence.config.loss
    if row.answers != SCORES and LOSSES[loss].names == SCORES:
        evidence.missing["D certain, G certain"] = f"--loss {loss} gives scores, no probabilities"
    for record in evidence.records:
        row.note(record)
    return row.finding()


def fallen(evidence: Evidence) -> Finding | None:
    """The pictures of the newest sample grid are more alike than those of earlier ones."""
    watch, real = Diversity(), _diversity_of_real(evidence)
    for step in evidence.grids:
        pictures = evidence.grid(step)
        if pictures is not None:
            watch.note(step, pictures, real)
    return watch.finding()


def never_diverse(evidence: Evidence) -> Finding | None:
    """The newest sample grid shows nearly one picture many times, and so did those before.

    Before LEARNED steps this is no finding yet, only a note.
    """
    step, real = max(evidence.grids, default=0), _diversity_of_real(evidence)
    pictures = evidence.grid(step) if step >= YOUNG and real and not fallen(evidence) else None
    if pictures is None or not real or (now := diversity(pictures)) >= ALIKE * real:
        return None
    if step < LEARNED:
        evidence.missing["G's pictures"] = (
            f"at step {step:,} they differ by {now:.0f} grey levels, real ones by {real:.0f}; that is judged from step "
            f"{LEARNED:,} on"
        )
        return None
    what = f"G draws nearly the same picture for every z: they differ by {now:.0f} grey levels, real ones by {real:.0f}"
    advice = "another --seed, a lower --lr, --beta1 0, a larger --batch-size; if D wins as well, see there"
    return Finding("one picture", what, advice, step, {"diversity": now, "diversity_real": real})


def _diversity_of_real(evidence: Evidence) -> float | None:
    pictures = evidence.grid_of_real
    return None if pictures is None else diversity(pictures)


def not_finite(evidence: Evidence) -> Finding | None:
    """A start of the run ended because a number was not finite, or the checkpoint holds one."""
    advice = "a lower --lr; with --precision fp16 or bf16, another one"
    if evidence.config.on_collapse != "rollback":
        advice = f"--on-collapse rollback, {advice}"
    for part in ("G", "D", "average_G"):
        for name, values in evidence.state.get(part, {}).items():
            if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                count = int((~np.isfinite(values)).sum())
                what = f"the checkpoint holds {count:,} numbers that are NaN or infinite, first in {part} {name}"
                return Finding("not finite", what, advice, numbers={"part": part, "name": name, "count": count})
    ended = [start for start in evidence.starts if start.get("not_finite")]
    if not ended:
        return None
    where, step = ended[-1]["not_finite"], ended[-1].get("at_step")
    what = f"training ended: {ended[-1].get('why')} ({where})"
    return Finding("not finite", what, advice, step, {"not_finite": where})


def rolled_back(evidence: Evidence) -> Finding | None:
    """The run has gone back to an earlier checkpoint with a lower rate."""
    found: list[dict[str, Any]] = []
    for start in evidence.starts:
        noted = start.get("rollbacks")
        found += [each for each in noted if isinstance(each, dict)] if isinstance(noted, list) else []
    if not found:
        return None
    newest = found[-1]
    what = (
        f"the run has rolled back {len(found)} time{'s' * (len(found) != 1)}, the last time from step "
        f"{newest.get('at_step')} to step {newest.get('to_step')}, where {newest.get('why')}"
    )
    advice = f"a new run with the learning rate that held, {newest.get('rate')} of --lr"
    return Finding("rolled back", what, advice, evidence.step, {"rollbacks": len(found)})
