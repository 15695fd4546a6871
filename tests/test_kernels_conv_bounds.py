"""The tiled convolution kernels touch no byte outside their arrays, which lie between pages that nobody may touch.

An access there ends the process, so another one does the work. Wrong results show in test_kernels_conv.py; what this
page finds is a number that is read and then not used.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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


def empty_between_pages(at_end: bool, like: np.ndarray, *shape: int) -> np.ndarray:
    return between_pages(np.empty(shape, like.dtype), at_end)


def run_all(stem: str) -> None:
    """Run every shape, pass and tile with all arrays, the result's included, between two such pages."""
    from kernels import conv2d
    from products import CUTS, PASSES, SHAPES, arrays, computed, expected

    for at_end in (True, False):
        conv2d.empty = functools.partial(empty_between_pages, at_end)
        for shape in SHAPES:
            a = arrays(shape)
            there = {name: between_pages(array.astype("float32"), at_end) for name, array in a.items()}
            for which in PASSES:
                for cut in CUTS[::2]:
                    print(at_end, shape, which, cut, flush=True)
                    np.testing.assert_array_equal(computed(which, shape, there, stem, cut), expected(which, shape, a))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mprotect"), reason="needs POSIX")
@pytest.mark.parametrize("stem", ["conv2d", "conv2d_tf32"])
def test_no_byte_outside_is_touched(stem):
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    code = f"import sys; sys.path[:0] = {paths!r}; from {Path(__file__).stem} import run_all; run_all({stem!r})"
    done = subprocess.run([sys.executable, "-c", f"{code}; print('done')"], capture_output=True, text=True)
    last = done.stdout.splitlines()[-1:] or ["nothing"]
    assert done.returncode == 0 and last == ["done"], f"status {done.returncode} at {last[0]}\n{done.stderr}"
