"""Measure start-up time and peak memory of each side, in a new process each time (benchmarks/once.py)."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure.workloads import Workload
from benchmarks.rivals.names import Rival
from gpunet import kernels

ROOT = Path(__file__).parents[1]
STARTS = 3  # processes of each side, of which the median counts
STEPS = 3  # in a process; memory does not grow after these


def once(workload: Workload, rival: Rival | None, steps: int = STEPS, cache: str | None = None) -> dict[str, Any]:
    """Run a few steps in a new process: ours, or PyTorch's where a rival is given.

    Returns start_up (seconds from the start of the process to the end of the first step), seconds (of every step) and
    peak_mb. Raises RuntimeError where the process fails. cache: a folder for compiled kernels instead of the user's.
    """
    config = workload.config
    given: dict[str, Any] = {"workload": workload.name, "steps": steps, "threads": kernels.threads()}
    if rival:
        pictures = (workload.batch, config.channels or 3, *config.image_size)
        given |= {"rival": rival.name, "plain": workload.plain(), "pictures": pictures}
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({"XDG_CACHE_HOME": cache} if cache else {})
    start = time.time()
    command = [sys.executable, "-m", "benchmarks.once", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{workload.name} {rival.name if rival else ''}: {done.stderr.strip().splitlines()[-1]}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result | {"start_up": result["first_step"] - start}


def measure(workload: Workload, rivals: tuple[Rival, ...]) -> dict[str, dict[str, float]]:
    """Return the median start-up time in seconds and peak memory in MB of every side.

    Our side is measured once more with an empty cache: there it compiles its kernels first.
    """
    found = {}
    for rival in (None, *rivals):
        try:
            found[rival.name if rival else "ours"] = _medians([once(workload, rival) for _ in range(STARTS)])
        except RuntimeError as error:
            if not (rival and rival.has("compiled")):
                raise
            print(f"    skipped: {error}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        found["ours, first start ever"] = _medians([once(workload, None, cache=folder)])
    return found


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in ("start_up", "peak_mb")}
