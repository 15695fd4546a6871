"""The log of a run: one line of JSON per step, fetched from the device now and then, never at every step."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from dcgan.steps import Stats
from gpunet import backend

INTERVAL = 1.0  # seconds between two fetches: each waits for the device


class Diverged(ArithmeticError):
    """A loss became NaN or infinite."""


class Log:
    """Appends to log.jsonl what is the same in every repetition of the run, and to timing.jsonl what is not."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.path, self.timing, self.batch_size = folder / "log.jsonl", folder / "timing.jsonl", batch_size
        self.pending: list[tuple[int, int, Stats]] = []
        self.since = time.perf_counter()
        self.newest: dict[str, Any] = {}  # the last record written

    def record(self, step: int, epoch: int, stats: Stats) -> bool:
        """Remember a step's numbers, still on the device; once INTERVAL has passed, flush and return True."""
        self.pending.append((step, epoch, stats))
        due = time.perf_counter() - self.since >= INTERVAL
        if due:
            self.flush()
        return due

    def flush(self) -> None:
        """Fetch and write what is pending. Raises Diverged at the first step whose numbers are not finite."""
        if not self.pending:
            return
        records, lines = _fetch(self.pending), []
        steps, self.pending = len(self.pending), []
        for record in records:
            wrong = [f"{key} is {value}" for key, value in record.items() if not math.isfinite(value)]
            if wrong:
                break
            lines.append(json.dumps(record) + "\n")
            self.newest = record
        _append(self.path, "".join(lines), durable=True)  # a checkpoint may rely on it
        now = time.perf_counter()
        speed = steps * self.batch_size / (now - self.since)
        _append(self.timing, json.dumps({"step": records[-1]["step"], "images_per_second": round(speed, 1)}) + "\n")
        self.since = now
        if wrong:
            raise Diverged(f"step {record['step']}: {', '.join(wrong)}")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a log.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def _append(path: Path, text: str, durable: bool = False) -> None:
    with open(path, "a") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
