"""Arrays between pages of memory that nobody may touch, and a process of its own for code that works on them.

An access outside such an array ends the process. Other tests find wrong results; this finds a number that is read and
then not used.
"""

from __future__ import annotations

import ctypes
import mmap
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpunet.kernels.loader import cpu

NO_ACCESS, PAGE = 0, mmap.PAGESIZE


def between_pages(array: np.ndarray, at_end: bool) -> np.ndarray:
    """Return a copy of the array that begins just after, or ends just before, a page without access."""
    room = -(-array.nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, room + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (start, start + PAGE + room):
        if ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), NO_ACCESS):
            raise OSError("mprotect failed")
    offset = PAGE + (room - array.nbytes if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


def empty_between_pages(at_end: bool, like: np.ndarray, *shape: int, dtype: Any = None) -> np.ndarray:
    return between_pages(np.empty(shape, dtype or like.dtype), at_end)


def assert_survives(file: str, call: str) -> None:
    """Make a call of a function of a test page in another process; fail with what it printed last where that dies."""
    if not hasattr(ctypes.CDLL(None), "mprotect") or cpu.compiler() is None:
        pytest.skip("needs POSIX and a C++ compiler")
    paths = [str(Path(file).parent), str(Path(__file__).parent), str(Path(__file__).parents[2])]
    code = f"import sys; sys.path[:0] = {paths!r}; import {Path(file).stem} as page; page.{call}; print('done')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = done.stdout.splitlines()[-1:] or ["nothing"]
    assert done.returncode == 0 and last == ["done"], f"status {done.returncode} at {last[0]}\n{done.stderr}"
