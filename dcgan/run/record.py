"""run.json: what ran. It is for people; no command needs it, and a resumed run reads config.json instead.

    {"data": "10,000 images ...", "classes": ["cat", "dog"], "last_step": 3900, "best": {"step": 3000, "frechet": 21.7},
     "starts": [{"from_step": 0, "command": "python -m dcgan.train", "device": "cpu", "started": ..., "ended": ...}]}

`starts` has an entry for each time that the training was started or resumed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from dcgan import quick
from dcgan.device import precision_of
from dcgan.options import LARGEST
from dcgan.run.folder import RunDir
from gpunet import __version__, backend
from gpunet.files import write_atomically
from gpunet.kernels.loader import machine

COURSE = "on not what the uninterrupted run would have done"


class Record:
    """The run.json of a run, with an entry for this start; `end` completes it."""

    def __init__(self, run: RunDir, device: str, step: int, last_step: int, data: dict[str, Any]) -> None:
        self.run, earlier = run, read(run)
        self.start: dict[str, Any] = {"from_step": step, "started": _now(), **_surroundings(device)}
        self.start |= {"quick": quick.notice()} if quick.notice() else {}
        starts = earlier.get("starts")
        self.starts = [*(starts if isinstance(starts, list) else []), self.start]
        self.head = {**data, "last_step": last_step}

    def by_ranks(self, size: int) -> None:
        """Note how many processes train, where there are several."""
        self.start |= {"ranks": size} if size > 1 else {}

    def changed(self, changes: list[str]) -> None:
        """Note the options that this start changes."""
        if changes:
            self.start |= {"changed": changes, "so": f"from step {self.start['from_step']} {COURSE}"}

    def rolled_back(self, how: dict[str, Any]) -> None:
        """Note a rollback of this start."""
        self.write(rollbacks=[*self.start.get("rollbacks", []), how])

    def write(self, **more: Any) -> None:
        """Write the file, with more about this start."""
        self.start.update(more)
        text = json.dumps({**self.head, "starts": self.starts}, indent=2) + "\n"
        write_atomically(self.run.record, text.encode())

    def best(self, state: dict[str, Any]) -> None:
        """Note the best checkpoint so far and its number."""
        self.head["best"] = state
        self.write()

    def end(self, step: int, how: str) -> None:
        """Note the end of this start: finished, stopped or failed."""
        self.write(ended=_now(), at_step=step, state=how)


def last_step(run: RunDir) -> int | None:
    """Return the step with which the run is finished, None where the file does not tell."""
    found = read(run).get("last_step")
    return found if type(found) is int and 0 <= found <= LARGEST else None


def read(run: RunDir) -> dict[str, Any]:
    """Return what the file says, {} where there is none or it is damaged."""
    try:
        found = json.loads(run.record.read_bytes())
    except (OSError, ValueError, RecursionError):  # an older version has written none
        return {}
    return found if isinstance(found, dict) else {}


def _surroundings(device: str) -> dict[str, Any]:
    return {
        "version": __version__,
        "commit": _commit(Path(__file__).parents[2]),
        "command": shlex.join(sys.orig_argv),
        "device": device,
        "implementation": backend.implementation(device),
        "precision": precision_of(device),
        "machine": {"cpu": _cpu(), "cores": machine.cores(), "gpu": _gpu() if device == "cuda" else None},
    }


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _commit(folder: Path) -> str | None:
    """Return the commit of a git checkout, with -dirty behind it where files differ; None outside of one."""
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


def _cpu() -> str:
    lines = machine.cpu_features().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else lines[0]


def _gpu() -> str:
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"]
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
