"""Count the memory requests of a kernel's warps on the CPU: sectors of global memory, wavefronts of shared memory.

    counts = count(lambda launch: ladder.matmul("naive", a, b, launch=launch))
    counts["global load"]     # Count(requests, bytes, needed, least)

A request is one instruction of a warp; its lanes are the warp's 32 threads. Global memory answers in sectors of 32
bytes, shared memory in wavefronts (trace.cpp). The kernel is compiled as C++ and runs thread by thread, as in the
tests, and trace.cpp gets the address of each access in the source. A GPU's compiler may join some accesses (four
neighbouring 4-byte loads of a thread into one of 16 bytes) or drop repeated ones, and caches are not counted. The count
shows which sectors and banks the lanes of a warp touch together.
"""

from __future__ import annotations

import ctypes
import functools
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gpunet.kernels.loader import cpu
from gpunet.kernels.loader.arguments import Size, sizes_of
from gpunet.kernels.loader.cpu_source import translate

TRACER = Path(__file__).with_name("trace.cpp")
# These flags keep the code simple: every access in the source stays one access.
FLAGS = "-O1 -fno-tree-sra -fno-tree-vectorize -fno-tree-slp-vectorize -fsanitize=thread -c"
# This code is appended to the kernel. trace_thread returns the running thread's number in its block, or -1 where the
# address is no memory on a GPU: the thread's stack (registers there), its parameters (constant memory, at most 4 KB)
# and the variables of the emulation. trace_block returns the number of the running block.
WHERE = """
template <class T>
__attribute__((no_sanitize_thread)) static bool lies_in(const char* p, const T* object, size_t count = 1) {
    return p >= (const char*) object && p < (const char*) (object + count);
}
extern "C" __attribute__((no_sanitize_thread)) int trace_thread(const void* pointer) {
    const char *p = (const char*) pointer, *here = (const char*) __builtin_frame_address(0);
    const size_t stacks = MOST_THREADS * STACK_STRIDE;
    if (!runner || !lies_in(here, runner->stacks, stacks) || lies_in(p, runner->stacks, stacks) || lies_in(p, runner) ||
        lies_in(p, &runner) || lies_in(p, (const char*) runner->arguments, 4096) || lies_in(p, &threadIdx) ||
        lies_in(p, &blockIdx) || lies_in(p, &blockDim) || lies_in(p, &gridDim))
        return -1;
    return runner->current;
}
extern "C" __attribute__((no_sanitize_thread)) long long trace_block() {
    return blockIdx.x + gridDim.x * (blockIdx.y + (long long) gridDim.y * blockIdx.z);
}
"""
Launch = Callable[..., None]
NAMES = ("global load", "global store", "global atomic", "shared load", "shared store", "shared atomic")


class Count(NamedTuple):
    """The sums over all requests of one kind."""

    requests: int  # of warps
    bytes: int  # requested by the lanes
    needed: int  # sectors or wavefronts that the requests took
    least: int  # sectors if the same bytes lay side by side, wavefronts without bank conflicts

    def __add__(self, other: tuple) -> Count:
        return Count(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def per_request(self) -> float:
        """Return sectors or wavefronts per request, 0 where there was none."""
        return self.needed / self.requests if self.requests else 0.0


def count(run: Callable[[Launch], Any]) -> dict[str, Count]:
    """Call run(launch) and return the counts of the kernels that it launches, by NAMES.

    `launch` is called like `kernels.launch`, with NumPy arrays. Raises RuntimeError where there is no C++ compiler.
    """
    totals = {name: Count(0, 0, 0, 0) for name in NAMES}

    def launch(entry: str, grid: Size, block: Size, args: Sequence[Any], shared: int = 0) -> None:
        stem, _, name = entry.rpartition(".")
        arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
        module = _module(stem, next((a.dtype.name for a in arrays if a.dtype.name in cpu.C_REAL), "float32"))
        begins = (ctypes.c_size_t * len(arrays))(*(array.ctypes.data for array in arrays))
        ends = (ctypes.c_size_t * len(arrays))(*(array.ctypes.data + array.nbytes for array in arrays))
        module.compiled.trace_begin(len(arrays), begins, ends)
        module.launch(name, *sizes_of(entry, grid, block, shared), args, shared, whole=False)
        module.compiled.trace_end_of_block()
        for kind, counted in zip(NAMES, module.compiled.trace_counts().contents, strict=True):
            totals[kind] += Count(*counted)

    run(launch)
    return totals


@functools.cache
def _module(stem: str, dtype: str) -> cpu.CpuModule:
    """Compile a kernel file together with the tracer, load it and delete the files."""
    with tempfile.TemporaryDirectory() as folder:
        kernel, library = Path(folder, "kernel.o"), Path(folder, "kernel.so")
        compiler, *flags = cpu.command(dtype)
        # No OpenMP: blocks one after the other. The first -O counts for the tracer, the last for the kernel.
        flags = [flag for flag in flags if flag not in ("-fopenmp", "-shared")]
        _run([compiler, *flags, *FLAGS.split(), "-x", "c++", "-", "-o", str(kernel)], translate(stem, True) + WHERE)
        _run([compiler, "-std=c++17", "-O2", "-fPIC", "-shared", str(TRACER), str(kernel), "-o", str(library)], "")
        module = cpu.CpuModule(stem, dtype, library)
    module.compiled.trace_counts.restype = ctypes.POINTER((ctypes.c_int64 * len(Count._fields)) * len(NAMES))
    return module


def _run(command: list[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}\ncannot build the traced kernel:\n{done.stderr.strip()}")
