"""What the loader must know about the CPU: its features, and how many threads this process may use."""

from __future__ import annotations

import functools
import math
import os
import platform
import threading
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


@functools.cache
def cpu_features() -> str:
    """Return a text that differs between CPUs of different instructions: -march=native binds a build to them."""
    try:
        with open("/proc/cpuinfo") as file:
            first = file.read(8192).split("\n\n")[0]  # the first processor; the file is long on large machines
        keys = ("model name", "flags", "Features", "CPU part")
        features = [line for line in first.splitlines() if line.startswith(keys)]
    except OSError:
        features = [platform.processor()]
    return "\n".join([platform.machine(), *features])


_thread = threading.local()


def run_alone() -> None:
    """Keep the launches of this Python thread to one core: for the threads of a pool that fills all cores by itself."""
    _thread.alone = True


def workers() -> int:
    """Return the number of threads for a launch from this Python thread."""
    return 1 if getattr(_thread, "alone", False) else threads()


@functools.cache
def threads() -> int:
    """Return the number of threads for one launch: OMP_NUM_THREADS if set, else `cores()`."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return cores()


def cores() -> int:
    """Return how many cores the affinity mask and the container's CPU quota (cgroup) let this process use."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota())))


def _quota() -> float:
    """Return how many cores the cgroup's quota allows, infinity where there is none (version 2, then version 1)."""
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((CGROUP / f"cpu/cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
        except OSError:
            return math.inf
    return int(quota) / int(period) if quota.isdigit() and int(period) else math.inf
