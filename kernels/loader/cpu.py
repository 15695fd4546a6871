"""Kernels on the CPU: built by the C++ compiler into a shared library per file and dtype, called through ctypes."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shlex
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.kernels.loader import source
from gpunet.kernels.loader.arguments import Grid, convert
from gpunet.kernels.loader.cpu_source import machinery, translate
from gpunet.kernels.loader.machine import cache_folder, cpu_features, locked, workers
from gpunet.kernels.loader.signature import entries

# These options of the "fast math" family leave NaN and infinities as they are. -fno-trapping-math lets the compiler
# compute both sides of a condition, which SIMD needs.
FLAGS = (
    "-std=c++17 -O2 -march=native -fopenmp -fPIC -shared -fvisibility=hidden "
    "-fno-math-errno -fno-trapping-math -ffp-contract=fast -Wno-unknown-pragmas"
)
C_REAL = {"float32": "float", "float64": "double"}
FORMAT = {"float32": "f", "float64": "d", "int32": "i", "uint32": "I", "int64": "q", "bool": "?", "uint8": "B"}
PARALLEL_FROM = 4096  # CUDA threads in a launch: with fewer, waking the other cores costs more than it gains
ERRORS = {
    1: "some threads of a block wait in __syncthreads() that others never reach: move it out of the condition",
    2: "a warp-wide instruction (shuffle, vote, mma) waits for lanes of its mask that never reach it",
    3: "no memory for the stacks of the threads",
}


@functools.cache
def compiler() -> str | None:
    """Return the path of the C++ compiler ($CXX, g++, clang++ or c++), or None where there is none."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    return next(filter(None, map(shutil.which, names)), None)


def command(dtype: str) -> list[str]:
    """Return the compiler's command line for one dtype, without input and output."""
    path = compiler()
    if path is None:
        raise RuntimeError('no C++ compiler found: install g++ (or set CXX), or choose gpunet.backend.use("reference")')
    wide = ["-mprefer-vector-width=512"] if "avx512vl" in cpu_features() else []
    extra = shlex.split(os.environ.get("GPUNET_KERNEL_FLAGS", ""))
    return [path, *FLAGS.split(), *wide, f"-DREAL={C_REAL[dtype]}", *extra]


def build(stem: str, dtype: str) -> Path:
    """Return the shared library of a kernel file, or of a .cpp file, and compile it unless the cache has it.

    Raises RuntimeError with the compiler's message where it does not compile.
    """
    if stem.endswith(".cpp"):
        text = source.read(source.FOLDER / stem)
        return shared_library(stem, dtype, text, lambda: text)
    path = source.path_of(stem)
    return shared_library(path.name, dtype, source.text_of(stem) + machinery(), lambda: translate(stem))


@functools.cache
def functions_of(file: str, dtype: str) -> ctypes.CDLL:
    """Return the functions of a .cpp file of kernels/, compiled for one dtype."""
    return ctypes.CDLL(str(build(file, dtype)))


def shared_library(file: str, dtype: str, identity: str, cpp: Callable[[], str]) -> Path:
    """Return the library built from the C++ text that `cpp` returns, compiling it unless the cache has it.

    `identity` is a text that changes whenever the C++ does; the cache finds a build by it.
    """
    line = command(dtype)
    status = os.stat(os.path.realpath(line[0]))
    compiler_file = str(status.st_size), str(status.st_mtime_ns)
    key = "\0".join([identity, *line, cpu_features(), *compiler_file])
    name = f"{Path(file).stem}-{dtype}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    library = cache_folder() / f"{name}.so"
    if not library.exists():
        with locked(library.with_suffix(".lock")):
            if not library.exists():  # another process may have built it while this one waited
                _compile(file, cpp(), line, library)
    return library


def _compile(file: str, text: str, line: list[str], library: Path) -> None:
    handle, temporary = tempfile.mkstemp(".tmp", library.name, library.parent)
    os.close(handle)
    try:
        done = subprocess.run([*line, "-x", "c++", "-", "-o", temporary], input=text, text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(
                f"{file} does not compile as C++:\n{done.stderr.strip()}\nThe command was: {shlex.join(line)}"
            )
        os.replace(temporary, library)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


class CpuModule:
    """A kernel file compiled for one dtype; `launch` runs one of its kernels on NumPy arrays.

    `library` names a shared library built from the file in another way than by `build`.
    """

    def __init__(self, stem: str, dtype: str, library: Path | None = None) -> None:
        self.stem, self.dtype = stem, dtype
        text = source.read(source.path_of(stem))
        self.entries = {entry.name: entry for entry in entries(text, np.dtype(dtype))}
        # An OpenMP thread without work waits in a busy loop. Keep that short: others need the core.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        self.compiled = ctypes.CDLL(str(library or build(stem, dtype)))
        self._calls: dict[str, Any] = {}
        for entry in self.entries.values():
            function = self.compiled[entry.name]
            function.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
            fields = "".join("P" if p.pointer else FORMAT[p.dtype.name] for p in entry.parameters)
            self._calls[entry.name] = function, struct.Struct("@" + fields).pack

    def launch(self, name: str, grid: Grid, block: Grid, args: Sequence[Any], shared: int, whole: bool) -> None:
        """Run a kernel and wait for its end."""
        function, pack = self._calls[name]
        values = convert(self.stem, self.entries[name], args, "cpu")
        error = function(_launch(grid, block, shared, whole, workers()), pack(*values))
        if error:
            raise RuntimeError(f"kernel {self.stem}.{name}, grid {grid}, block {block}: {ERRORS[error]}")


@functools.lru_cache(4096)
def _launch(grid: Grid, block: Grid, shared: int, whole: bool, most: int) -> bytes:
    """Return the C struct Launch of cuda_on_cpu.h."""
    blocks, size = np.prod(grid, dtype=object), np.prod(block, dtype=object)
    team = min(most, blocks) if blocks * size >= PARALLEL_FROM else 1
    return struct.pack("@9i", *grid, *block, shared, team, whole)
