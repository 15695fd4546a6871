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
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from gpunet.kernels.loader import source
from gpunet.kernels.loader.arguments import Grid, convert
from gpunet.kernels.loader.cpu_source import machinery, translate
from gpunet.kernels.loader.machine import BuildError, cache_folder, cpu_features, locked, workers
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
    names = [_cxx()[0]] if _cxx() else ["g++", "clang++", "c++"]
    return next(filter(None, map(shutil.which, names)), None)


def _cxx() -> list[str]:
    """Return the words of $CXX, which may hold options or a program in front: "ccache g++ -m64"."""
    name = os.environ.get("CXX", "")
    return [name] if shutil.which(name) else _words(name)


def _words(command: str) -> list[str]:
    """Return the words of a command as a shell would cut it, none where a quotation mark is left open."""
    try:
        return shlex.split(command)
    except ValueError:
        return []


def command(dtype: str) -> list[str]:
    """Return the compiler's command line for one dtype, without input and output."""
    path = compiler()
    if path is None:
        raise BuildError('no C++ compiler found: install g++ (or set CXX), or choose gpunet.backend.use("reference")')
    wide = ["-mprefer-vector-width=512"] if "avx512vl" in cpu_features() else []
    extra = _words(os.environ.get("GPUNET_KERNEL_FLAGS", ""))
    return [path, *_cxx()[1:], *FLAGS.split(), *wide, f"-DREAL={C_REAL[dtype]}", *extra]


def build(stem: str, dtype: str) -> Path:
    """Return the shared library of a kernel file, or of a .cpp file, and compile it unless the cache has it, undamaged.

    Raises BuildError with the compiler's message where it does not compile.
    """
    library, line = _library(stem, dtype), command(dtype)
    if _sound(library):
        return library
    file = stem if stem.endswith(".cpp") else source.path_of(stem).name
    try:
        with locked(library.with_suffix(".lock")) as lock:
            if not _sound(library):  # another process may have built it while this one waited
                text = source.read(source.FOLDER / stem) if stem.endswith(".cpp") else translate(stem)
                _compile(file, text, line, library)
                _note_checksum(lock, library)
    except OSError as error:
        raise BuildError(f"{file} cannot be compiled: {error}") from error
    return library


def is_built(stem: str, dtype: str) -> bool:
    """Return whether the cache has the library of `build`, undamaged."""
    return _sound(_library(stem, dtype))


def _library(stem: str, dtype: str) -> Path:
    """Return the path of a file's library in the cache; its name changes whenever the library would."""
    if stem.endswith(".cpp"):
        file, text = stem, source.read(source.FOLDER / stem)
    else:
        file, text = source.path_of(stem).name, source.text_of(stem) + machinery()
    return cache_folder() / f"{Path(file).stem}-{dtype}-{_key(text, command(dtype))}.so"


@functools.cache
def functions_of(file: str, dtype: str) -> ctypes.CDLL:
    """Return the functions of a .cpp file of kernels/, compiled for one dtype."""
    return open_library(build(file, dtype))


def _key(identity: str, line: list[str]) -> str:
    """Return a hash that changes with the text, the command line, the CPU and each program of the command line."""
    programs = [path for word in line if not word.startswith("-") and (path := shutil.which(word))]
    found = [os.stat(os.path.realpath(path)) for path in programs]
    versions = [text for status in found for text in (str(status.st_size), str(status.st_mtime_ns))]
    return hashlib.sha256("\0".join([identity, *line, cpu_features(), *versions]).encode()).hexdigest()[:20]


def _sound(library: Path) -> bool:
    """Return whether a library is there with the checksum that its lock file holds; loading a damaged one crashes."""
    try:
        return hashlib.sha256(library.read_bytes()).hexdigest() == library.with_suffix(".lock").read_text()
    except (OSError, ValueError):
        return False


def _note_checksum(lock: IO[str], library: Path) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(hashlib.sha256(library.read_bytes()).hexdigest())
    lock.flush()


def _compile(file: str, text: str, line: list[str], library: Path) -> None:
    """Compile C++ text into a library, which gets its name when all of it is on the disk. Raises BuildError."""
    handle, temporary = tempfile.mkstemp(".tmp", library.name, library.parent)
    os.close(handle)
    try:
        done = subprocess.run([*line, "-x", "c++", "-", "-o", temporary], input=text.encode(), capture_output=True)
        if done.returncode or not os.path.getsize(temporary):
            said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}, without a message"
            raise BuildError(f"{file} does not compile as C++:\n{said}\nThe command was: {shlex.join(line)}")
        with open(temporary, "rb") as made:  # the linker may have put another file in place of ours
            os.fsync(made.fileno())
        os.replace(temporary, library)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def open_library(path: Path) -> ctypes.CDLL:
    """Load a shared library. Raises BuildError, where the file system forbids to run programs from it, for one."""
    # An OpenMP thread without work waits in a busy loop. Keep that short: on a busy machine it would hold the core that
    # the others need. OpenMP reads this variable once, when the first library is loaded, whichever that is.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(f"cannot load {error}: set XDG_CACHE_HOME to another folder") from error


class CpuModule:
    """A kernel file compiled for one dtype; `launch` runs one of its kernels on NumPy arrays.

    `library` names a shared library built from the file in another way than by `build`.
    """

    def __init__(self, stem: str, dtype: str, library: Path | None = None) -> None:
        self.stem, self.dtype = stem, dtype
        text = source.read(source.path_of(stem))
        self.entries = {entry.name: entry for entry in entries(text, np.dtype(dtype))}
        self.compiled = open_library(library or build(stem, dtype))
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
