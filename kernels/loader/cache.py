"""The user's cache folder of compiled kernels, shared by any number of processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/gpunet (or ~/.cache/gpunet), made if need be. RuntimeError: it cannot be written."""
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
    """Hold a lock file: of several processes that want the same build, one makes it and the others wait.

    Where the file system has no locks, all make it: only time is lost, since a finished build is put in place by
    an atomic rename.
    """
    with open(path, "w") as file:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
