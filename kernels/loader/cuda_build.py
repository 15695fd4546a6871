"""Kernels for the GPU ahead of time: several files at once, each in a process of its own.

NVRTC compiles one file at a time in a process, and the tiled convolutions take it many seconds each. Such a process
compiles one file through CuPy, which keeps the result in its cache (CUPY_CACHE_DIR); a note in our cache says so.
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

ROOT = Path(__file__).resolve().parents[2]  # a process that compiles finds our packages there
LONGEST = ("conv2d/", "conv2d_mma/", "winograd/")  # to compile: these files come first, so that none is left over
Job = tuple[str, str]  # file, dtype
Row = dict[str, Any]  # file, dtype, seconds, entries: {kernel: registers, local_bytes, shared_bytes, most_threads}


def build(jobs: Sequence[Job], watch: Callable[[Iterable[Row]], Iterable[Row]] = iter) -> None:
    """Compile files for the current GPU, as many at a time as there are cores.

    `watch` is given an iterable with a row per finished file and goes through it, such as a progress bar. Raises
    BuildError for the first file that does not compile.
    """
    ordered = sorted(jobs, key=lambda job: not job[0].startswith(LONGEST))
    pool = ThreadPoolExecutor(max(1, min(threads(), len(ordered))))
    try:
        for _ in watch(pool.map(_in_a_process, ordered)):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C no further file is compiled


def is_built(stem: str, dtype: str) -> bool:
    """Return whether a note says that CuPy's cache holds this file for the current GPU and compiler."""
    return _note(stem, dtype).is_file() and any(_cupy_cache().glob("*"))


def compiled(stem: str, dtype: str) -> Row:
    """Compile one file in this process, unless CuPy has it in its cache, and note it; return what came out."""
    from gpunet.files import write_atomically
    from gpunet.kernels.loader.cuda import CudaModule

    began = time.perf_counter()
    entries = CudaModule(stem, dtype).figures()
    row = {"file": stem, "dtype": dtype, "seconds": time.perf_counter() - began, "entries": entries}
    write_atomically(_note(stem, dtype), json.dumps(row).encode())
    return row


def _in_a_process(job: Job) -> Row:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "gpunet.kernels.loader.cuda_build", *job]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    if done.returncode:
        raise BuildError(f"{job[0]}.cu does not compile for this GPU:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def _note(stem: str, dtype: str) -> Path:
    """Return the path of a file's note; its name changes whenever the machine code would, or lies elsewhere."""
    import cupy
    from cupy_backends.cuda.libs import nvrtc

    from gpunet.kernels.loader.cuda import options

    parts = [source.text_of(stem), *options(dtype), cupy.cuda.Device().compute_capability, cupy.__version__]
    parts += [str(nvrtc.getVersion()), str(_cupy_cache())]
    return cache_folder() / f"cuda-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.json"


def _cupy_cache() -> Path:
    return Path(os.environ.get("CUPY_CACHE_DIR") or "~/.cupy/kernel_cache").expanduser()


if __name__ == "__main__":
    print(json.dumps(compiled(*sys.argv[1:])))
