"""The machine: GPU, clocks, driver, libraries, versions, and the commit that runs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from typing import Any

from benchmarks.gpu.sized import ROOT, Settings
from benchmarks.measure.machine import machine, versions

QUERY = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem,power.draw,power.limit,temperature.gpu"


def run(settings: Settings) -> None:
    """Keep what identifies the machine and the software on it."""
    settings.keep(machine=machine("cuda"), versions=versions(), libraries=libraries(), gpu=nvidia_smi())
    settings.keep(commit=said("git", "-C", str(ROOT), "rev-parse", "HEAD"), tools=tools())
    if settings.torch and importlib.util.find_spec("torch"):
        import torch

        cudnn = torch.backends.cudnn.version() if torch.cuda.is_available() else None
        settings.keep(torch={"version": torch.__version__, "cuda": torch.version.cuda, "cudnn": cudnn})


def libraries() -> dict[str, Any]:
    """Return the versions of the driver, the runtime, NVRTC and cuBLAS, and the device's sizes."""
    import cupy
    from cupy_backends.cuda.libs import nvrtc

    runtime, attributes = cupy.cuda.runtime, cupy.cuda.Device().attributes
    names = ("MultiProcessorCount", "L2CacheSize", "ClockRate", "MaxSharedMemoryPerMultiprocessor")
    found = {"driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion()}
    found |= {"nvrtc": list(nvrtc.getVersion()), "cupy": cupy.__version__, "memory": list(runtime.memGetInfo())}
    return found | {name: attributes.get(name) for name in names}


def nvidia_smi() -> dict[str, str] | None:
    """Return names, clocks, power and temperature of the GPU now; None without nvidia-smi."""
    text = said("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader")
    values = [part.strip() for part in text.splitlines()[0].split(",")] if text else []
    return dict(zip(QUERY.split(","), values, strict=False)) or None


def tools() -> dict[str, str | None]:
    """Return where NVIDIA's tools are, None for those that are missing."""
    return {name: shutil.which(name) for name in ("nvcc", "ncu", "compute-sanitizer", "nvdisasm", "g++")}


def said(*command: str) -> Any:
    """Return what a command printed, None where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
