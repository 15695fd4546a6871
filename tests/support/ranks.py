"""Starts tests and trainings on several ranks by mpirun; skips where mpi4py or mpirun is missing."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 60  # that a program of ranks may take


@functools.cache
def mpirun() -> list[str]:
    """Return the command that starts ranks, without their number; skip the test where there is none."""
    beside = Path(sys.executable).parent / "mpirun"
    program = str(beside) if beside.exists() else shutil.which("mpirun")
    if program is None or importlib.util.find_spec("mpi4py") is None:
        pytest.skip(f"no {'mpirun' if program is None else 'mpi4py'}: pip install 'gpunet[mpi]'")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    open_mpi = "Open MPI" in told or "PRRTE" in told.upper()
    return [program, *(["--allow-run-as-root", "--oversubscribe"] if open_mpi else [])]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of ranks: on one core each, with this checkout's packages and the tests' support."""
    paths = os.pathsep.join(str(path) for path in (ROOT, ROOT / "tests/support"))
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths} | more


def command(count: int, *words: object) -> list[str]:
    """Return the command that runs `python WORDS` on so many ranks."""
    return [*mpirun(), "-n", str(count), sys.executable, *map(str, words)]


def run(count: int, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` on so many ranks to the end."""
    return subprocess.run(
        command(count, *words), capture_output=True, text=True, timeout=SECONDS, env=environment(**more), check=False
    )
