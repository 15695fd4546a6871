"""The machine that measures: its name, the versions of the software on it, and its measured peak rates."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.backend.threads import run
from gpunet.kernels.loader import cpu

PEAK = str(Path(__file__).with_name("peak"))
FLOPS_PER_THREAD = 2 * 16 * 64  # of the kernel fma_chains
PACKAGES = ("numpy", "torch", "cupy-cuda12x", "cupy-cuda13x", "jax")


def machine(device: str = "cpu") -> dict[str, Any]:
    """Return name, cores, threads and memory, and for the device "cpu" its measured peak rates."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    found = {"device": device, "cpu": cpu_name(), "cores": os.cpu_count(), "threads": kernels.threads()}
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    found |= {"memory_gb": round(pages / 2**30, 1), "system": system}
    if device == "cuda":
        found["gpu"] = gpu_name()
    return found | (measured_peaks() if device == "cpu" else {})


def described(found: dict[str, Any]) -> str:
    """Return a machine in a few words, for the title of a plot: "Intel(R) Xeon(R) Processor, threads: 2"."""
    return f"{found['cpu']}, threads: {found['threads']}"


def cpu_name() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def gpu_name() -> str:
    """Return the GPU's name and its compute capability."""
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    return f"{properties['name'].decode()} (compute capability {properties['major']}.{properties['minor']})"


def versions() -> dict[str, str]:
    """Return the versions of Python, the C++ compiler and the installed ones of PACKAGES."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if path := cpu.compiler():
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        found["compiler"] = done.stdout.partition("\n")[0]
    return found


@functools.cache
def measured_peaks() -> dict[str, float]:
    """Return the peak rates of this CPU: sgemm and FMA in GFLOP/s, memory in GB/s. Takes about two seconds.

    sgemm is NumPy's: the faster of one product on all threads of BLAS and one product per thread of ours. FMA and
    memory are measured with the kernels of peak.cu.
    """
    a = np.random.default_rng(0).random((1536, 1536), dtype=np.float32)
    halves = np.array_split(a, kernels.threads())
    sgemm = 2 * a.shape[0] ** 3 / min(least(lambda: a @ a), least(lambda: run(lambda half: half @ a, halves)))
    found = {"sgemm_gflops": sgemm / 1e9}
    if kernels.compiler_available():
        x, y = np.ones((2, 2**18), np.float32)
        fma = least(lambda: kernels.launch(f"{PEAK}.fma_chains", x.size // 256, 256, (y, x, x.size), whole=True))
        p, q, r = np.ones((3, 2**25), np.float32)  # 128 MiB each
        moved = least(lambda: kernels.launch(f"{PEAK}.add", p.size // 1024, 1024, (r, p, q, p.size), whole=True))
        found |= {"fma_gflops": FLOPS_PER_THREAD * x.size / fma / 1e9, "memory_gbs": 3 * p.nbytes / moved / 1e9}
    return found


def least(work: Callable[[], Any], times: int = 7) -> float:
    """Return the seconds of the fastest of several runs."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
