"""A line about a run, from the files in its folder: preset, step, speed, state, newest sample picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.run import log, record
from dcgan.run.folder import RunDir

HEAD = f"{'run':24} {'preset':16} {'step':>17} {'images/s':>9}  {'state':9} newest sample"
TAIL = 4096  # bytes at a file's end that hold its last lines


def line(run: RunDir) -> str:
    """Return the line about a run; what its files do not tell is a dash."""
    try:
        config = Config.read(run.config)
    except UserError:
        return f"{run.path.name:24} config.json is damaged"
    step, steps = last(run.log).get("step", 0), record.last_step(run) or config.steps
    speed = last(run.path / "timing.jsonl").get("images_per_second", "-")
    progress = f"{step:,} / {steps:,}" if steps else f"{step:,}"
    return f"{run.path.name:24} {config.preset:16} {progress:>17} {speed:>9}  {state(run, step, steps):9} {sample(run)}"


def state(run: RunDir, step: int, steps: int | None) -> str:
    """Return running (a process trains there), finished or stopped."""
    try:
        with run.locked():
            return "finished" if steps and step >= steps else "stopped"
    except UserError:
        return "running"


def sample(run: RunDir) -> str:
    """Return the path of the newest sample grid."""
    found = [path for path in run.samples.glob("*.png") if path.stem.isdecimal()]
    return str(max(found, key=lambda path: int(path.stem))) if found else "-"


def last(path: Path) -> dict[str, Any]:
    """Return the last whole record of a file of JSON lines, an empty one if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return {}
    for text in reversed(lines):
        if text.endswith(b"\n") and (found := log.record_of(text)):
            return found
    return {}
