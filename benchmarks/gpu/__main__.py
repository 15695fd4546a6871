"""Build, check and time everything on a GPU, in at most nine minutes or --minutes: python -m benchmarks.gpu"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu import findings, predictions
from benchmarks.gpu.environment import nvidia_smi
from benchmarks.gpu.tables import report
from gpunet.backend import use_precision
from gpunet.kernels.loader.machine import why_no_gpu

ROOT = Path(__file__).parents[2]
MINUTES = 9.0
MOST = 1440.0  # minutes: a day
LAST = 15.0  # seconds of the whole that are left to write the summary
RESULTS = "gpu.json"


class Place(NamedTuple):
    """Where a section stands: its module and function, and its deadline in seconds when nine minutes are given."""

    module: str
    function: str
    seconds: float


SECTIONS = {  # in the order of their value: after the sixth the main question is answered
    "machine": Place("environment", "run", 20),
    "build": Place("compiling", "run", 75),
    "ceilings": Place("ceilings", "run", 25),
    "correct": Place("correctness", "run", 60),
    "graph": Place("graphs", "run", 40),
    "step": Place("racing", "run", 100),
    "wgmma": Place("wgmma", "run", 60),
    "launches": Place("launch_times", "run", 45),
    "plans": Place("plans", "run", 45),
    "ncu": Place("tools", "ncu", 45),
    "sanitize": Place("tools", "sanitize", 40),
    "tests": Place("tools", "tests", 70),
    "train": Place("tools", "train", 60),
    "inductor": Place("racing", "inductor", 120),
}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition(":")[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=list(SECTIONS), metavar="SECTION", help=f"sections to run: {', '.join(SECTIONS)}")
    help = f"time for everything, of which each section has its share (default {MINUTES:g}, at most {MOST:g})"
    add("--minutes", type=float, default=MINUTES, metavar="N", help=help)
    add("--scale", type=float, default=1.0, metavar="X", help="part of the full sizes, for a quick try (default 1)")
    add("--no-torch", action="store_true", help="leave PyTorch out")
    add("--out", type=Path, default=Path("gpu"), metavar="FOLDER", help="folder for gpu.json and logs (default gpu)")
    add("--report", type=Path, metavar="FILE", help="print the tables of a gpu.json, and measure nothing")
    add("--section", choices=list(SECTIONS), help=argparse.SUPPRESS)  # run this one here: a process of the command
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 1 where a section failed, 2 for a wrong argument or no GPU."""
    options = parse(arguments)
    try:
        if options.report:
            print(tables_of(options.report))
            return 0
        if not (0 < options.minutes <= MOST and 0 < options.scale <= 4):
            got = f"got --minutes {options.minutes} --scale {options.scale}"
            raise ValueError(f"{got}, expected 0 < N <= {MOST:g} and 0 < X <= 4")
        make_folder(options.out)
        require_gpu()
    except (OSError, ValueError, RuntimeError) as error:
        print(f"benchmarks.gpu: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if options.section:
        return run_here(options)
    return run_all(options)


def tables_of(path: Path) -> str:
    """Return the tables of a file of results. Raises ValueError where parts of it are missing or of another kind."""
    found = findings.read(path)
    try:
        return report(found)
    except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise ValueError(f"--report: {path} is damaged, a table cannot be made of it ({error!r})") from error


def make_folder(out: Path) -> None:
    """Make the folder of --out. Raises ValueError where that cannot be done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is a file" if out.is_file() else error.strerror
        raise ValueError(f"--out: got {out}, expected a folder that is there or can be made: {reason}") from error


def require_gpu() -> None:
    """Raise RuntimeError where CuPy is missing or sees no GPU."""
    try:
        import cupy

        cupy.cuda.runtime.getDevice()
        cupy.cuda.Device().compute_capability  # noqa: B018  # raises where there is none
    except Exception as error:
        raise RuntimeError(f"no GPU that CuPy can use: {why_no_gpu(error)}") from error


def run_here(options: argparse.Namespace) -> int:
    """Run one section in this process."""
    from benchmarks.gpu.sized import Settings

    place, folder = SECTIONS[options.section], options.out.resolve()
    section = findings.Section(folder / f"{options.section}.json")
    settings = Settings(options.scale, not options.no_torch, folder, section)
    section.keep()
    with use_precision("fp32"):  # a section chooses others where it wants them
        getattr(importlib.import_module(f"benchmarks.gpu.{place.module}"), place.function)(settings)
    return 0


def run_all(options: argparse.Namespace) -> int:
    """Run the sections one after another, each in a process; rewrite the file of results after each."""
    end = time.monotonic() + 60 * options.minutes - min(LAST, 3 * options.minutes)
    path, names = options.out / RESULTS, options.only or list(SECTIONS)
    found: dict[str, Any] = {"command": shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]])}
    found |= {"scale": options.scale, "predictions": predictions.predicted(), "sections": {}}
    findings.write(path, found)
    for name in (name for name in SECTIONS if name in names):
        seconds = min(SECTIONS[name].seconds * options.minutes / MINUTES, end - time.monotonic())
        before, section = nvidia_smi(), in_a_process(name, seconds, options)
        found["sections"][name] = section | {"gpu_before_and_after": [before, nvidia_smi()]}
        findings.write(path, found)
        print(f"{name}: {found['sections'][name]['status']}", file=sys.stderr, flush=True)
    print(report(found))
    print(f"results: {path}")
    return 0 if all(section["status"] == "done" for section in found["sections"].values()) else 1


def in_a_process(name: str, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """Run a section in a process of its own until its deadline; return its status, its seconds and its results."""
    began, own = time.monotonic(), options.out / f"{name}.json"
    own.unlink(missing_ok=True)
    if seconds < 1:
        return {"status": "no time left", "seconds": 0.0, "results": {}}
    command, where = command_of(name, options), {"cwd": ROOT, "env": environment(options.out)}
    with open(options.out / f"{name}.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **where)
        try:
            status = "done" if process.wait(seconds) == 0 else "failed"
        except subprocess.TimeoutExpired:
            status = "deadline"
        finally:
            stop(process)  # and whatever it has started
    results = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
    found = {"status": status, "seconds": time.monotonic() - began, "results": results}
    if status == "failed":
        said = (options.out / f"{name}.log").read_text(errors="replace").strip().splitlines()
        found["error"] = said[-1] if said else f"exit status {process.returncode}"
    return found


def command_of(name: str, options: argparse.Namespace) -> list[str]:
    """Return the command that runs one section."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--section", name, "--out", str(options.out.resolve())]
    return [*command, "--scale", str(options.scale), *["--no-torch"] * options.no_torch]


def stop(process: subprocess.Popen) -> None:
    """End a process with all that it has started, and wait for it."""
    with contextlib.suppress(ProcessLookupError):  # where all of them have ended by themselves
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a section: our packages, and caches beside the results, where nothing else is given."""
    caches = {"CUPY_CACHE_DIR": folder.resolve() / "cache/cupy", "XDG_CACHE_HOME": folder.resolve() / "cache"}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {name: str(place) for name, place in caches.items()} | os.environ | {"PYTHONPATH": path}


if __name__ == "__main__":
    sys.exit(main())
