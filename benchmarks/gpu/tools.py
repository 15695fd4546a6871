"""Sections that run another program and keep what it says: NVIDIA's profiler and sanitizer, the tests, trainings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.gpu.sized import ROOT, Settings

METRICS = (
    "gpu__time_duration.sum,dram__bytes.sum,sm__inst_executed_pipe_tensor.sum,"
    "smsp__issue_active.avg.pct_of_peak_sustained_active,lts__t_sector_hit_rate.pct,sm__warps_active.avg.pct_of_peak_sustained_active,"
    "l1tex__data_bank_conflicts_pipe_lsu.sum"
)
SANITIZERS = ("memcheck", "racecheck", "initcheck", "synccheck")
FIRST = ("dcgan/test_stepper.py", "kernels/test_mma.py", "kernels/test_factors.py", "kernels/test_tiled.py",
         "gpunet/test_handed_over.py", "gpunet/test_convolution.py")  # fmt: skip
QUICK = "dcgan/test_stepper.py::test_steps_come_behind_what_was_loaded_and_before_what_is_read"
KEPT = 4000  # characters of a program's output


def said(command: list[str], log: Path, seconds: float = 600.0) -> dict[str, Any]:
    """Run a program with its output in a file; return its status, seconds and the end of what it said."""
    began = time.perf_counter()
    with open(log, "w") as out:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        try:
            status: Any = subprocess.run(
                command, stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, env=environment, timeout=seconds
            ).returncode
        except subprocess.TimeoutExpired:
            status = "deadline"
    text = log.read_text(errors="replace")
    return {"status": status, "seconds": time.perf_counter() - began, "log": log.name, "end": text[-KEPT:]}


def training(settings: Settings, name: str, *options: str, small: bool = True) -> list[str]:
    """Return the command of a training on the built-in faces."""
    sizes = {"width": 8, "image-size": 16, "batch-size": 4, "samples": 4, "train-size": 16} if small else {}
    words = [f"--{key}={value}" for key, value in sizes.items()]
    out = f"--out={settings.folder / 'runs' / name}"
    return [sys.executable, "-m", "dcgan.train", "--device=cuda", "--no-progress", out, *words, *options]


def ncu(settings: Settings) -> None:
    """Profile the launches of a training step without a graph; the raw table stays in the folder."""
    path = shutil.which("ncu")
    if path is None:
        settings.keep(skipped="no ncu here")
        return
    table = settings.folder / "ncu.csv"
    profile = [path, "--clock-control", "none", "--csv", "--log-file", str(table), "--metrics", METRICS]
    profile += ["--launch-skip", "100", "--launch-count", "100"]
    full = [f"--width={settings.width}", f"--batch-size={settings.batch}", "--train-size=256", "--samples=4"]
    command = training(settings, "ncu", "--steps=3", "--no-graph", "--precision=bf16", *full, small=False)
    settings.keep(**said([*profile, *command], settings.folder / "ncu.log", 40), table=table.name)


def sanitize(settings: Settings) -> None:
    """Run a tiny training under each of the sanitizer's tools, all at once."""
    path = shutil.which("compute-sanitizer")
    if path is None:
        settings.keep(skipped="no compute-sanitizer here")
        return
    jobs = [(tool, precision) for tool in SANITIZERS for precision in ("tf32", "fp32")]

    def one(job: tuple[str, str]) -> None:
        tool, precision = job
        name, options = f"{tool}-{precision}", ["--steps=2", "--no-graph", f"--precision={precision}"]
        command = [path, "--tool", tool, "--error-exitcode", "9", *training(settings, name, *options)]
        settings.keep(**{name: said(command, settings.folder / f"{name}.log", 38)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, jobs))


def tests(settings: Settings) -> None:
    """Run the tests marked cuda, the most telling files first; a scaled run takes one quick test."""
    files = FIRST if settings.full else (QUICK,)
    settings.keep(first=said(pytest(*(f"tests/{name}" for name in files)), settings.folder / "tests-first.log"))
    if settings.full:
        parallel = ["-n", "12"] if _has("xdist") else []
        rest = [f"--ignore=tests/{name}" for name in files]
        command = [*pytest("tests"), *parallel, *rest, f"--junitxml={settings.folder / 'tests.xml'}"]
        settings.keep(rest=said(command, settings.folder / "tests-rest.log"))


def pytest(*paths: str) -> list[str]:
    """Return the command that runs the tests marked cuda in these files."""
    options = ["-m", "cuda", "--maxfail=50", "-p", "no:cacheprovider", "-q", f"--rootdir={ROOT}"]
    return [sys.executable, "-m", "pytest", *options, f"-c={ROOT / 'pyproject.toml'}", *(str(ROOT / p) for p in paths)]


def _has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def train(settings: Settings) -> None:
    """Train on the built-in faces in bf16 and fp32, and draw pictures with the first."""
    steps, count = (1500, 10_000) if settings.full else (2, 8)
    for precision in ("bf16", "fp32") if "bf16" in settings.precisions else ("fp32",):
        name = f"faces-{precision}"
        options = [f"--steps={steps}", f"--precision={precision}"]
        log = settings.folder / f"{name}.log"
        found = said(training(settings, name, *options, small=not settings.full), log)
        settings.keep(**{precision: found | {"steps": steps}})
        run = next((settings.folder / "runs" / name).glob("0001-*"), None)
        if run and "generate" not in settings.section.content:
            words = [str(run), f"--count={count}", "--device=cuda", f"--out={settings.folder / 'pictures'}"]
            command = [sys.executable, "-m", "dcgan.generate", *words]
            settings.keep(generate=said(command, settings.folder / "generate.log") | {"count": count})
