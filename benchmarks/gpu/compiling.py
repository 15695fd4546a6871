"""The build: every kernel file by NVRTC, one process per core; seconds of each, registers and spills of each kernel."""

from __future__ import annotations

import time

from benchmarks.gpu.sized import Settings
from gpunet import kernels

QUICK = ("arrays", "activations", "adam")  # what a scaled run compiles


def run(settings: Settings) -> None:
    """Compile what training in any precision uses, Winograd's form included; a scaled run takes a few quick files."""
    files = kernels.of_training_on_cuda(settings.precisions, winograd=True) if settings.full else list(QUICK)
    began, rows = time.perf_counter(), []

    def watch(done):
        for row in done:
            rows.append(row)
            settings.keep(files=rows, wall_seconds=time.perf_counter() - began)
            yield row

    kernels.build(files, ["float32"], watch, "cuda")
    spilling = [name for row in rows for name, entry in row["entries"].items() if entry["local_bytes"]]
    settings.keep(processes=kernels.threads(), kernels_with_local_memory=spilling)
