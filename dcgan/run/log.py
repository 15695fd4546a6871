"""The log of a run: one line of JSON per step, fetched from the device now and then, never at every step."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dcgan.errors import Diverged, UserError
from dcgan.options import LARGEST
from dcgan.steps import Stats
from gpunet import backend

LARGEST_NUMBER = float(np.finfo("float32").max)
INTERVAL = 1.0  # seconds between two fetches: each waits for the device
Watch = Callable[[Sequence[Mapping[str, Any]]], None]  # is called with records once they are written


class Log:
    """Appends to log.jsonl the numbers that every repetition of the run repeats, and to timing.jsonl the speed."""

    def __init__(self, folder: Path, pictures_per_step: int, watches: Sequence[Watch] = ()) -> None:
        self.path, self.timing = folder / "log.jsonl", folder / "timing.jsonl"
        self.pictures_per_step = pictures_per_step
        self.watches = watches
        self.pending: list[tuple[int, int, Stats]] = []
        self.notes: dict[int, dict[str, float]] = {}  # numbers of steps that are known on the host
        self.since = time.perf_counter()
        self.newest: dict[str, Any] = {}  # the last record written
        self.speed = 0.0  # pictures per second between the last two fetches

    def record(self, step: int, epoch: int, stats: Stats) -> bool:
        """Remember a step's numbers, still on the device; once INTERVAL has passed, flush and return True."""
        self.pending.append((step, epoch, stats))
        due = time.perf_counter() - self.since >= INTERVAL
        if due:
            self.flush()
        return due

    def note(self, step: int, **numbers: float) -> None:
        """Add numbers that are known already to the record of a step that is not written yet."""
        self.notes.setdefault(step, {}).update(numbers)

    def flush(self) -> None:
        """Fetch and write what is pending. Raises Diverged at the first step whose numbers are not finite."""
        if not self.pending:
            return
        records, good = _fetch(self.pending), []
        steps, self.pending = len(self.pending), []
        for record in records:
            record |= self.notes.pop(record["step"], {})
            wrong = [f"{key} is {value}" for key, value in record.items() if not math.isfinite(value)]
            if wrong:
                break
            good.append(record)
            self.newest = record
        _append(self.path, good, durable=True)  # a checkpoint may rely on it
        now = time.perf_counter()
        self.speed = round(steps * self.pictures_per_step / (now - self.since), 1)
        timing = {"step": records[-1]["step"], "images_per_second": self.speed}
        _append(self.timing, [timing])
        self.since = now
        for watch in self.watches:
            watch([*good, timing])
        if wrong:
            step = record["step"]
            raise Diverged(f"step {step}: {', '.join(wrong)}", step, step - 1)


def require_finite(state: dict[str, Any], step: int) -> None:
    """Raise Diverged where a weight or a moment of a GAN's state is no longer finite."""
    for part, values in state.items():
        for name, value in values.items():
            if not np.isfinite(value).all():
                raise Diverged(f"step {step}: {part} {name} is no longer finite", step, step - 1)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log.jsonl or timing.jsonl; lines that are none are left out. UserError: there is none."""
    require(path)
    return [record for record in map(record_of, path.read_bytes().splitlines()) if record]


def require(path: Path) -> None:
    """Raise UserError where a run has no such file."""
    if not path.is_file():
        raise UserError(f"{path.parent} is no run folder, or has no step yet: expected {path.name} in it")


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, a step and numbers that a float32 can be; None where the line is none.

    A damaged file may hold anything: other values of the line are left out.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = found.get("step") if isinstance(found, dict) else None
    if type(step) is not int or not 0 <= step <= LARGEST:
        return None
    return {key: value for key, value in found.items() if type(value) in (int, float) and abs(value) <= LARGEST_NUMBER}


def _fetch(pending: list[tuple[int, int, Stats]]) -> list[dict[str, Any]]:
    """Bring the numbers of many steps to the host in one transfer."""
    arrays = [value for _, _, stats in pending for value in stats.values()]
    xp = backend.array_module(arrays[0])
    values = iter(backend.to_numpy(xp.stack(arrays)))
    # str of a float32 has the digits that tell it from its neighbours, and no more
    return [
        {"step": step, "epoch": epoch} | {key: float(str(next(values))) for key in stats}
        for step, epoch, stats in pending
    ]


def _append(path: Path, records: list[dict[str, Any]], durable: bool = False) -> None:
    with open(path, "a") as file:
        file.write("".join(json.dumps(record) + "\n" for record in records))
        file.flush()
        if durable:
            os.fsync(file.fileno())
