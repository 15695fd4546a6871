"""The machine as the loader sees it: the CPU's features, the threads of a launch, and the folder of cached builds."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import platform
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

CGROUP = Path("/sys/fs/cgroup")
MOST_THREADS = 128
NO_GPU = {  # CUDA's names of errors: https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html
    "cudaErrorInsufficientDriver": "no NVIDIA driver found, or one too old for CuPy (nvidia-smi shows it)",
    "cudaErrorNoDevice": "no NVIDIA GPU found",
}


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
    """Return the number of threads for one launch: OMP_NUM_THREADS if it is a number of at least 1, else `cores()`.

    More than MOST_THREADS are never made: the operating system may refuse them, and OpenMP then ends the program.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if re.fullmatch("0*[1-9][0-9]{0,9}", wanted):
        return min(int(wanted), max(cores(), MOST_THREADS))
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


def why_no_gpu(error: Exception) -> str:
    """Return why there is no GPU, on a line: in plain words where CUDA's own text is a riddle, else as CuPy says it."""
    text = " ".join(str(error).split())
    return next((words for name, words in NO_GPU.items() if name in text), text)


class BuildError(RuntimeError):
    """The kernels cannot be built or loaded on this machine."""

    @property
    def short(self) -> str:
        """Return the first line of the message, and the first that speaks of an error: a compiler says much more."""
        first, *others = str(self).splitlines() or [""]
        error = next((line for line in others if re.search("error(:| #)", line, re.IGNORECASE)), "".join(others[:1]))
        return " ".join(f"{first} {error}".split())


def cache_folder() -> Path:
    """Return the user's folder of compiled kernels, $XDG_CACHE_HOME/gpunet or ~/.cache/gpunet, and make it if need be.

    Where that folder cannot be made or written, or others could put files into it (a file in it is code that runs
    here), a folder of the user's own among the temporary files takes its place, and a warning says so.
    Raises BuildError where that fails, too.
    """
    wanted = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(os.path.expanduser(wanted)) / "gpunet"
    reason = _unfit(folder)
    return _temporary_folder(folder, reason) if reason else folder


@functools.cache
def _temporary_folder(wanted: Path, reason: str) -> Path:
    """Return the folder that takes the place of the wanted one; say why, once."""
    try:
        folder = Path(tempfile.gettempdir()) / f"gpunet-{getattr(os, 'getuid', int)()}"
        if _unfit(folder):  # somebody else has made a folder of that name
            folder = Path(tempfile.mkdtemp(prefix="gpunet-"))
    except OSError as error:
        raise BuildError(f"no folder for compiled kernels: {wanted} {reason}, and {error}") from error
    logging.getLogger("gpunet").warning("cache folder %s %s: compiled kernels go to %s", wanted, reason, folder)
    return folder


def _unfit(folder: Path) -> str:
    """Make a folder if need be; return why it cannot hold our builds, an empty string if it can."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except (OSError, ValueError) as error:
        return f"cannot be made ({getattr(error, 'strerror', None) or error})"
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        return "belongs to another user"
    if hasattr(os, "getuid") and found.st_mode & 0o022:
        return "can be written by other users"
    return "" if os.access(folder, os.W_OK | os.X_OK) else "cannot be written"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Hold a lock file, and give it, open for reading and writing. Of several processes, one gets it; the others wait.

    Where the file system has no locks, all get it. That costs only time: each then makes the same build, and a
    finished build gets its name by an atomic rename.
    """
    with open(path, "a+") as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
