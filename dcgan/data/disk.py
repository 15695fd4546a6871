"""Room on the disk, asked for before it is needed: a mapped or HDF5 file that runs out of it ends the process."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

SPARE_BYTES = 2**20  # for what is written beside the pixels


def require_room(folder: Path, count: int, nbytes: int) -> None:
    """Raise OSError where a folder's disk has no room for `count` images of `nbytes` each."""
    free, needed = shutil.disk_usage(folder).free, count * nbytes + SPARE_BYTES
    if free < needed:
        message = f"{free / 2**20:,.0f} MiB are free, {count:,} images take {needed / 2**20:,.0f}: free some space"
        raise OSError(errno.ENOSPC, message, str(folder))


def reserve(path: Path, spare: int = SPARE_BYTES) -> None:
    """Have the disk set aside all the space of a file, and some more; OSError where it can't."""
    if not hasattr(os, "posix_fallocate"):  # not on this system
        return
    try:
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size + spare)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
