"""The machine as the loader sees it: the CPU's features, the threads of a launch, and the folder of cached builds."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import platform
import threading
from collections.abc import Iterator
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


@functools.cache
def cpu_features() -> str:
    """Return a text that differs between CPUs with different instructions: -march=native builds for one kind."""
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


def cache_folder() -> Path:
    """Return the user's folder of compiled kernels, $XDG_CACHE_HOME/gpunet or ~/.cache/gpunet, and make it if need be.

    Raises RuntimeError where it cannot be made or written.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpunet"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeError(f"cannot make the cache folder {folder} ({error}): set XDG_CACHE_HOME to another") from error
    if not os.access(folder, os.W_OK):
        raise RuntimeError(f"cannot write to the cache folder {folder}: set XDG_CACHE_HOME to another")
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file. Where several processes want the same build, one makes it and the others wait.

    Where the file system has no locks, all make it. That costs only time: a finished build gets its name by an atomic
    rename.
    """
    with open(path, "w") as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
