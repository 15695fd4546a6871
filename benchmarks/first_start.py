"""Say how long the kernels take to compile before the first training on a GPU; needs no GPU.

    python -m benchmarks.first_start                          dcgan64's files in every precision, for 16 cores
    python -m benchmarks.first_start --precision bf16 --cores 4 --arch sm_80
    python -m benchmarks.first_start --write docs/speed.md    the table of that page

NVRTC compiles every unit here, one after the other: a file, or one kernel of a long file. The seconds are those of the
processor, which other programs on the machine disturb less than they do a clock. On several cores the units begin in
the order of a first start, each on the core that is free first; `finish` works out when the last one ends. A unit is a
process of its own, which loads Python and CuPy first: its seconds include that. Opening a GPU is left out.
"""

from __future__ import annotations

import argparse
import heapq
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmarks.measure.text_table import show, table
from benchmarks.static import machine_code
from benchmarks.static.gpus import ARCHITECTURES
from gpunet import kernels
from gpunet.backend import PRECISIONS
from gpunet.kernels.loader import cubin, cuda_build, source

LOADS = "import gpunet.kernels.loader.cuda"  # what a process does before it compiles
HEAD = ("precision", "files", "units", "seconds of all", "of the longest", "the longest")


def finish(seconds: Sequence[float], cores: int) -> float:
    """Return when the last of some units ends. They begin in this order, each on the core that is free first.

    Example: units of 3, 2, 2 and 1 seconds on two cores end after 4 seconds: 3 + 1 on one core, 2 + 2 on the other.
    """
    free = [0.0] * cores  # when each core is free
    for length in seconds:
        heapq.heapreplace(free, free[0] + length)
    return max(free)


def units_of_training(precision: str) -> list[cuda_build.Unit]:
    """Return what a first training in a precision compiles, in its order."""
    jobs = cuda_build.in_order([(stem, "float32") for stem in kernels.of_training_on_cuda([precision])])
    return [unit for job in jobs for unit in cuda_build.units_of(*job)]


def seconds_of(unit: cuda_build.Unit, arch: str) -> float:
    """Compile a unit and return the seconds of the processor. Raises RuntimeError where it does not compile."""
    from gpunet.kernels.loader.cuda import options_of_nvrtc

    stem, dtype, part = unit
    began = time.process_time()
    text = source.text_with(stem, part) if part else source.text_of(stem)
    cubin.compiled(machine_code.nvrtc(), stem, text, (*options_of_nvrtc(dtype), f"-arch={arch}"))
    return time.process_time() - began


def seconds_to_load() -> float:
    """Return the seconds of the processor that a process takes to load Python and CuPy."""
    before = os.times()
    path = os.pathsep.join([str(cuda_build.ROOT), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", LOADS], check=True, env=os.environ | {"PYTHONPATH": path})
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def report(precisions: Sequence[str], cores: int, arch: str, markdown: bool = False) -> str:
    """Compile what training in each precision needs; return a table of seconds of the processor."""
    units = {precision: units_of_training(precision) for precision in precisions}
    loading = seconds_to_load()
    every = dict.fromkeys(unit for of_one in units.values() for unit in of_one)
    bar = tqdm(every, desc="compiling", unit="unit", disable=None)  # None: no bar outside a terminal
    seconds = {unit: loading + seconds_of(unit, arch) for unit in bar}
    rows = []
    for precision, of_one in units.items():
        lengths, longest = [seconds[unit] for unit in of_one], max(of_one, key=seconds.__getitem__)
        done = [f"{sum(lengths):.1f}", f"{seconds[longest]:.1f}", longest[2] or longest[0]]
        done.append(f"{finish(lengths, cores):.1f}")
        rows.append([precision, len({unit[0] for unit in of_one}), len(of_one), *done])
    return table([*HEAD, f"done on {cores} cores after"], rows, markdown)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status. 2: NVRTC is missing, or a kernel does not compile."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_start", description=__doc__.partition("\n")[0])
    default, help = list(PRECISIONS), f"how products round: {', '.join(PRECISIONS)} (all)"
    parser.add_argument("--precision", nargs="+", default=default, choices=PRECISIONS, metavar="NAME", help=help)
    parser.add_argument("--cores", type=int, default=16, metavar="N", help="cores of the machine with the GPU (16)")
    parser.add_argument("--arch", default="sm_90", choices=ARCHITECTURES, help="architecture of the GPU (sm_90)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table into this page")
    options = parser.parse_args(arguments)
    if options.cores < 1:
        parser.error(f"got --cores {options.cores}, expected at least 1")
    try:
        given = options.precision, options.cores, options.arch
        show(lambda markdown: report(*given, markdown), "first start", options.write)
    except (OSError, ValueError, RuntimeError, kernels.BuildError) as error:
        print(f"benchmarks.first_start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
