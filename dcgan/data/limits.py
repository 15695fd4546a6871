"""What may be taken of the memory, the cores and the disk; it is checked before anything is taken.

A mapped file or an HDF5 file that meets a full disk ends the process, and a damaged header may claim any size: so the
disk is asked first, and a claim is compared with the length of its file.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dcgan.errors import UserError

# Deflate turns at most 1,032 bytes into one; a file that claims more is damaged or made to fill the memory.
MOST_PACKED = 1100
SLACK = 2**16  # bytes: headers and the like, so that tiny honest files pass
SPARE_BYTES = 2**20  # for what is written beside the pixels


@dataclass(frozen=True)
class Room:
    """What opening data may use.

    memory_limit  bytes of images that may be held in memory
    cache_dir     the folder for what does not fit; None: the user's (see dcgan.data.storage.cache)
    workers       threads or processes that decode; None: one per core
    progress      whether to show a progress bar
    """

    memory_limit: int
    cache_dir: str | os.PathLike | None = None
    workers: int | None = None
    progress: bool = True

    def holds(self, shape: Sequence[int]) -> bool:
        """Whether uint8 images (N, H, W, C) may be held in memory."""
        return math.prod(shape) <= self.memory_limit


def default_memory_limit() -> int:
    """A quarter of the memory that the machine or the container grants, at least 1 GiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0  # unknown on this system
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(memory // 4, 2**30)


def available_cores() -> int:
    """The cores that this process may use: those of its affinity mask, or fewer where its container grants fewer."""
    from gpunet.kernels.loader.machine import cores  # late: `import dcgan.data` need not load the kernels' loader

    return cores()


def require_plausible(claimed: int, stored: int, what: object) -> None:
    """Raise UserError where `stored` bytes cannot possibly unpack to `claimed` bytes."""
    if claimed > stored * MOST_PACKED + SLACK:
        raise UserError(f"{what} claims {claimed:,} bytes of data but holds {stored:,}: damaged, or not what it says")


def require_memory(nbytes: int, what: object, instead: str) -> None:
    """Raise UserError where data that must be held in memory would take more than may be taken; say what to do."""
    limit = default_memory_limit()
    if nbytes > limit:
        raise UserError(
            f"{what} unpacks to {nbytes:,} bytes, more than the {limit:,} that may be held in memory: {instead}"
        )


def require_disk(folder: Path, count: int, nbytes: int) -> None:
    """Raise OSError where a folder's disk has no room for `count` images of `nbytes` each."""
    free, needed = shutil.disk_usage(folder).free, count * nbytes + SPARE_BYTES
    if free < needed:
        message = f"{free / 2**20:,.0f} MiB are free, {count:,} images take {needed / 2**20:,.0f}: free some space"
        raise OSError(errno.ENOSPC, message, str(folder))


def reserve_disk(path: Path, spare: int = SPARE_BYTES) -> None:
    """Have the disk set aside all the space of a file, and `spare` bytes more; OSError where it can't."""
    if not hasattr(os, "posix_fallocate"):  # not on this system
        return
    try:
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size + spare)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
