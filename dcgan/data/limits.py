"""What a file claims is checked before memory is taken for it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dcgan.errors import UserError

# Deflate turns at most 1,032 bytes into one; a file that claims more is damaged or made to fill the memory.
MOST_PACKED = 1100
SLACK = 2**16  # bytes: headers and the like, so that tiny honest files pass


def default_memory_limit() -> int:
    """A quarter of the memory that the machine or the container grants, at least 1 GiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0  # unknown on this system
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(memory // 4, 2**30)


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
