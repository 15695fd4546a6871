"""Compile a kernel file with NVRTC and read its registers, spills, shared memory and occupancy; needs no GPU."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.static.gpus import occupancy
from gpunet.kernels.loader.cubin import whole
from gpunet.kernels.loader.source import text_of

MAX_THREADS = bytes((4, 5, 12, 0))  # begins a note in .nv.info: the largest block in x, y and z follows
DEFAULT_THREADS = 256  # of a block, where neither the launch nor __launch_bounds__ gives a number


class Figures(NamedTuple):
    """The figures of one kernel, for one dtype and architecture."""

    kernel: str  # "file.entry"
    dtype: str
    arch: str
    threads: int  # of a block
    registers: int  # of a thread
    spill_bytes: int  # of a thread: stores and loads in local memory of values that did not fit into registers
    stack_bytes: int  # of a thread: all its local memory; arrays with a varying index lie there, too
    shared_bytes: int  # of a block, without what a launch adds
    occupancy: float


class Code(NamedTuple):
    """The result of compiling a file for one architecture."""

    cubin: bytes
    log: str  # ptxas -v


@functools.cache
def nvrtc() -> Any:
    """Return CuPy's binding of NVRTC. Raises RuntimeError, saying what to install, where either is missing."""
    try:
        from cupy_backends.cuda.libs import nvrtc as binding

        binding.getVersion()
    except Exception as error:  # CuPy's loader raises several types, ImportError and RuntimeError among them
        raise RuntimeError(
            f"CuPy or NVRTC, the CUDA compiler library, is missing ({str(error).splitlines()[0]}): "
            "pip install 'gpunet[nvrtc]'"
        ) from error
    return binding


def compile_file(stem: str, dtype: str, arch: str) -> Code:
    """Compile kernels/<stem>.cu to machine code, for "sm_80" say. Raises RuntimeError where it does not compile."""
    with _compiled(stem, dtype, (f"-arch={arch}", "--ptxas-options=-v")) as program:
        return Code(whole(nvrtc().getCUBIN(program)), nvrtc().getProgramLog(program))


@functools.cache
def ptx(stem: str, dtype: str, arch: str) -> str:
    """Return the file's PTX, the virtual instructions that ptxas turns into those of one architecture."""
    with _compiled(stem, dtype, (f"-arch={arch.replace('sm', 'compute')}",)) as program:
        return nvrtc().getPTX(program).decode().rstrip("\0")


def fingerprint(stem: str, dtype: str, arch: str) -> str:
    """Return a text that changes with anything that the figures of a file depend on."""
    from gpunet.kernels.loader.cuda import options_of_nvrtc

    parts = [text_of(stem), *options_of_nvrtc(dtype), arch, str(nvrtc().getVersion())]
    parts += [Path(__file__).read_text("utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@contextlib.contextmanager
def _compiled(stem: str, dtype: str, more_options: tuple[str, ...]) -> Iterator[Any]:
    """Yield NVRTC's program of a kernel file, compiled with the options of training and these."""
    binding = nvrtc()
    from gpunet.kernels.loader.cuda import options_of_nvrtc

    program = binding.createProgram(text_of(stem), f"{stem}.cu", (), ())
    try:
        binding.compileProgram(program, (*options_of_nvrtc(dtype), *more_options))
        yield program
    except binding.NVRTCError as error:
        log = binding.getProgramLog(program)
        raise RuntimeError(f"{stem}.cu does not compile ({error}, {' '.join(more_options)}):\n{log}") from None
    finally:
        binding.destroyProgram(program)


def launch_bounds(cubin: bytes) -> dict[str, int]:
    """Return the block sizes of __launch_bounds__ by kernel, read from the .nv.info sections."""
    start, size, count, names = struct.unpack_from("<Q", cubin, 40)[0], *struct.unpack_from("<HHH", cubin, 58)
    headers = [struct.unpack_from("<IIQQQQ", cubin, start + i * size) for i in range(count)]  # of ELF sections
    found = {}
    for name, _, _, _, offset, length in headers:
        title = cubin[headers[names][4] + name :].partition(b"\0")[0].decode()
        note = cubin.find(MAX_THREADS, offset, offset + length)
        if title.startswith(".nv.info.") and note >= 0:
            found[title.removeprefix(".nv.info.")] = int(np.prod(struct.unpack_from("<3I", cubin, note + 4)))
    return found


def figures(stem: str, dtype: str, arch: str, code: Code, threads: dict[str, int] | None = None) -> list[Figures]:
    """Return the figures of every kernel of a compiled file; threads: block sizes by kernel, if known."""
    bounds = launch_bounds(code.cubin)
    found = []
    for part in code.log.split("Compiling entry function '")[1:]:
        name = part.partition("'")[0]
        size = (threads or {}).get(name) or bounds.get(name, DEFAULT_THREADS)
        registers, shared = _sum(r"Used (\d+) registers", part), _sum(r"(\d+) bytes smem", part)
        spills, stack = _sum(r"(\d+) bytes spill (?:stores|loads)", part), _sum(r"(\d+) bytes stack frame", part)
        resident = occupancy(arch, size, registers, shared)
        found.append(Figures(f"{stem}.{name}", dtype, arch, size, registers, spills, stack, shared, resident))
    return sorted(found)


def _sum(pattern: str, text: str) -> int:
    return sum(map(int, re.findall(pattern, text)))
