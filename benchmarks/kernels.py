"""Print figures of the compiled kernels, and the least time that GPUs need for a training step; needs no GPU.

    python -m benchmarks.kernels                             all files, architectures and dtypes; the dcgan64 limits
    python -m benchmarks.kernels --quick                     one architecture, float32, batch 64
    python -m benchmarks.kernels --arch sm_90 --file conv2d --json figures.json

NVRTC compiles each `extern "C"` kernel to machine code. ptxas reports registers, spills and shared memory, and the
occupancy follows from the limits of the architecture. The least times are computed from published peak figures
(benchmarks/static/gpus.py): none was measured. The exit status is 1 where a kernel spills registers to memory.

The first run takes some minutes; its figures are kept, and the next run compiles only files that have changed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.measure.text_table import table
from benchmarks.measure.work import training_step
from benchmarks.static import machine_code
from benchmarks.static.gpu_limits import limits_as_json, limits_table
from benchmarks.static.gpus import ARCHITECTURES, GPUS
from benchmarks.static.machine_code import Figures
from gpunet import kernels
from gpunet.backend import PRECISIONS
from gpunet.files import write_atomically
from gpunet.kernels.loader.machine import cache_folder

DTYPES = ("float32", "float64")
Job = tuple[str, str, str]  # file, dtype, architecture


def jobs_of(files: Iterable[str], dtypes: Iterable[str], archs: Iterable[str]) -> list[Job]:
    """Return every build that training (float32) or a gradient check (float64) may ask for.

    Factors of float64 are never rounded, so the files for tensor cores are not compiled for it.
    """
    float32_alone = kernels.ON_TENSOR_CORES
    pairs = [(s, dtype) for s in files for dtype in dtypes if dtype == "float32" or not s.startswith(float32_alone)]
    return [(*pair, arch) for pair in pairs for arch in archs]


def measure(job: Job) -> list[Figures]:
    """Return the figures of a build, kept from an earlier run or else from compiling it now."""
    kept = cache_folder() / f"figures-{machine_code.fingerprint(*job)}.json"
    if not kept.exists():
        found = machine_code.figures(*job, machine_code.compile_file(*job))
        write_atomically(kept, json.dumps(found).encode())
    return [Figures(*row) for row in json.loads(kept.read_text(encoding="utf-8"))]


def measure_all(jobs: list[Job]) -> list[Figures]:
    """Do all jobs, in one process per core, as NVRTC compiles one file at a time in a process."""
    workers = min(kernels.threads(), len(jobs))
    if workers <= 1:
        return [found for job in jobs for found in measure(job)]
    context = multiprocessing.get_context("spawn")  # a fork would copy CuPy's locks
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        done = tqdm(pool.map(measure, jobs), total=len(jobs), desc="compiling", unit="file", disable=None, leave=False)
        return [found for job in done for found in job]


def figures_table(found: Iterable[Figures], archs: list[str], markdown: bool) -> str:
    """Return one row per kernel and dtype: registers and occupancy for each architecture."""
    rows: dict[tuple[str, str], list[Any]] = {}
    for f in found:
        row = rows.setdefault((f.kernel, f.dtype), [f.kernel, f.dtype, f.threads, f.shared_bytes, *[""] * len(archs)])
        spill = f" spills {f.spill_bytes}!" if f.spill_bytes else f" local {f.stack_bytes}" if f.stack_bytes else ""
        row[4 + archs.index(f.arch)] = f"{f.registers} {f.occupancy:.0%}{spill}"
    return table(["kernel", "dtype", "threads", "shared bytes", *archs], list(rows.values()), markdown)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--file", nargs="+", default=None, metavar="FILE", help="kernel files, such as batchnorm (default: all)")
    archs, gpus = list(ARCHITECTURES), [gpu.name for gpu in GPUS]
    some: dict[str, Any] = {"nargs": "+", "default": None, "metavar": "NAME"}
    add("--arch", **some, choices=archs, help=f"GPU architectures, of {', '.join(archs)} (default: all)")
    add("--dtype", **some, choices=DTYPES, help="dtypes, float32 or float64 (default: both)")
    add("--quick", action="store_true", help="sm_80, float32, batch 64 by default")
    add("--batch-size", nargs="+", type=int, default=None, help="pictures per batch (default 64 128)")
    help = f"precision of products: {', '.join(PRECISIONS)} (default tf32)"
    add("--precision", default="tf32", choices=PRECISIONS, metavar="NAME", help=help)
    add("--gpu", **some, choices=gpus, help=f"GPU models, of {', '.join(gpus)} (default: all)")
    add("--markdown", action="store_true", help="print Markdown tables")
    add("--json", type=Path, metavar="FILE", help="write all figures to this file")
    options = parser.parse_args(arguments)
    options.file = options.file or [stem for stem in kernels.stems() if not stem.startswith("ladder/")]
    options.arch = options.arch or list(ARCHITECTURES)[1 if options.quick else 0 : 2 if options.quick else None]
    options.dtype = options.dtype or list(DTYPES)[: 1 if options.quick else None]
    options.batch_size = options.batch_size or [64, 128][: 1 if options.quick else None]
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 where a kernel spills, 2 where it cannot be compiled."""
    options = parse(arguments)
    try:
        machine_code.nvrtc()
        found = measure_all(jobs_of(options.file, options.dtype, options.arch))
        print("Registers of a thread and occupancy, with the threads per block of __launch_bounds__ or else 256\n")
        print(figures_table(found, options.arch, options.markdown))
        limits = print_limits(options)
        if options.json:
            content = {"kernels": [f._asdict() for f in found], "limits": limits}
            write_atomically(options.json, json.dumps(content, indent=1).encode())
    except (OSError, RuntimeError, ValueError) as error:
        print(f"benchmarks.kernels: {error}", file=sys.stderr)
        return 2
    return report_spills(found)


def print_limits(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Print a table of least times for every batch size; return all of them."""
    limits = []
    for batch in options.batch_size:
        work = training_step(batch)
        print(f"\nLeast microseconds of each operation of a dcgan64 step, batch {batch}, {options.precision} products:")
        print("its arithmetic at the peak rate (a) or its arrays through memory at the peak (m). Not measured.\n")
        gpus = [gpu for gpu in GPUS if not options.gpu or gpu.name in options.gpu]
        print(limits_table(work, gpus, options.precision, options.markdown))
        limits += limits_as_json(work, batch, options.precision)
    print("\nPeak figures: " + "; ".join(f"{gpu.name}: {gpu.source}" for gpu in GPUS))
    return limits


def report_spills(found: list[Figures]) -> int:
    """Print the kernels that spill; return the exit status."""
    spilling = [f for f in found if f.spill_bytes]
    for f in spilling:
        print(f"{f.kernel} ({f.dtype}, {f.arch}) spills registers: {f.spill_bytes} bytes moved", file=sys.stderr)
    kinds = len({f.kernel for f in found})
    print(f"\n{kinds} kernels, {len(found)} builds, {len(spilling)} of them spill registers")
    return 1 if spilling else 0


if __name__ == "__main__":
    sys.exit(main())
