"""Kernels for the GPU ahead of time: several files at once, each in a process of its own.

NVRTC compiles one file at a time in a process, and the tiled convolutions take it many seconds each. Such a process
compiles one file through CuPy, or one kernel of a file of source.APART. CuPy keeps the result in its cache
(CUPY_CACHE_DIR); a note in our cache says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gpunet.kernels.loader import source
from gpunet.kernels.loader.machine import BuildError, cache_folder, threads

# The program of a process that compiles. `python -m` would run this module a second time, beside the imported one.
PROGRAM = "import sys; from gpunet.kernels.loader import cuda_build; cuda_build.main(*sys.argv[1:])"
ROOT = Path(__file__).resolve().parents[2]  # a process that compiles finds our packages there
# To compile: these files come first, so that none is left over.
LONGEST = ("conv2d/", "conv2d_mma/input_grad", "conv2d_mma/forward", "conv2d_mma/", "winograd/", "cells/", "factors/")
Job = tuple[str, str]  # file, dtype
Unit = tuple[str, str, str]  # file, dtype, and the kernel, or "" for all of the file: what one process compiles
Row = dict[str, Any]  # file, dtype, seconds, entries: {kernel: registers, local_bytes, shared_bytes, most_threads}


def units_of(stem: str, dtype: str) -> list[Unit]:
    """Return what is compiled at a time for a file."""
    return [(stem, dtype, part) for part in source.parts_of(stem)]


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Return files in the order in which they are compiled: those that take long come first."""

    def rank(job: Job) -> int:
        return next((i for i, name in enumerate(LONGEST) if job[0].startswith(name)), len(LONGEST))

    return sorted(jobs, key=rank)


def build(jobs: Sequence[Job], watch: Callable[[Iterable[Row]], Iterable[Row]] = iter) -> None:
    """Compile files for the current GPU, as many units at a time as there are cores.

    `watch` is given an iterable with a row per finished file and goes through it, such as a progress bar. Raises
    BuildError for the first file that does not compile.
    """
    units = [units_of(*job) for job in in_order(jobs)]
    pool = ThreadPoolExecutor(max(1, min(threads(), sum(map(len, units)))))
    try:
        found = pool.map(_in_a_process, [unit for of_job in units for unit in of_job])
        for _ in watch(_joined([next(found) for _ in of_job]) for of_job in units):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C no further file is compiled


def _joined(rows: Sequence[Row]) -> Row:
    """Put together the rows of a file's units."""
    found = {name: entry for row in rows for name, entry in row["entries"].items()}
    return rows[0] | {"seconds": sum(row["seconds"] for row in rows), "entries": found}


def is_built(stem: str, dtype: str) -> bool:
    """Return whether notes say that CuPy's cache holds this file for the current GPU and compiler."""
    return all(_note(*unit).is_file() for unit in units_of(stem, dtype)) and any(_cupy_cache().glob("*"))


def compiled(stem: str, dtype: str, part: str = "") -> Row:
    """Compile a unit in this process, unless CuPy has it in its cache, and note it; return what came out."""
    from gpunet.files import write_atomically
    from gpunet.kernels.loader.cuda import CudaModule

    began = time.perf_counter()
    entries = CudaModule(stem, dtype).figures(part)
    row = {"file": stem, "dtype": dtype, "seconds": time.perf_counter() - began, "entries": entries}
    write_atomically(_note(stem, dtype, part), json.dumps(row).encode())
    return row


def _in_a_process(unit: Unit) -> Row:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-c", PROGRAM, *unit]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    if done.returncode:
        raise BuildError(f"{unit[0]}.cu does not compile for this GPU:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def _note(stem: str, dtype: str, part: str) -> Path:
    """Return the path of a unit's note; its name changes whenever the machine code would, or lies elsewhere."""
    import cupy
    from cupy_backends.cuda.libs import nvrtc

    from gpunet.kernels.loader.cuda import options

    parts = [source.text_of(stem), part, *options(dtype), cupy.cuda.Device().compute_capability, cupy.__version__]
    parts += [str(nvrtc.getVersion()), str(_cupy_cache())]
    return cache_folder() / f"cuda-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.json"


def _cupy_cache() -> Path:
    return Path(os.environ.get("CUPY_CACHE_DIR") or "~/.cupy/kernel_cache").expanduser()


def main(stem: str, dtype: str, part: str) -> None:
    """Compile a unit and print its row: what a process of `build` does."""
    print(json.dumps(compiled(stem, dtype, part)))
