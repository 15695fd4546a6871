"""Run Python under mpirun, as a user does, on two or more ranks of this machine; skip where MPI is missing.

    from mpirun import mpirun, needs_mpi

    @needs_mpi
    def test_sum():
        done = mpirun(2, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))")
        assert done.stdout.split() == ["2", "2"]

Open MPI and MPICH both serve. mpirun and mpi4py have to belong together: the mpirun beside this Python comes first,
as `pip install .[mpi]` puts it there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MARK = "GPUNET_TEST_RANKS"  # in the environment of everything that one call starts: finds the ranks again
GRACE = 5  # seconds that ranks get to end after SIGTERM
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "",  # print writes a line whole: without a buffer another rank comes between it and its end
    "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support"))),
    # Open MPI refuses root and more ranks than cores, and ties each rank to a core; MPICH does none of these.
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",  # Open MPI 4
}


def program() -> str | None:
    """Return the path of mpirun: the one beside this Python, or else the first of PATH."""
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


@functools.cache
def missing() -> str:
    """Return why nothing can run under mpirun here, or an empty string where two ranks find each other."""
    if not program():
        return "no mpirun: pip install '.[mpi]'"
    script = "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"
    try:
        done = mpirun(2, "-c", script, timeout=30)
    except subprocess.TimeoutExpired:
        return f"{program()} does not end: two ranks that only count themselves take more than 30 s"
    if "No module named 'mpi4py'" in done.stderr:
        return "no mpi4py: pip install '.[mpi]'"
    if done.returncode or done.stdout.split() != ["2", "2"]:
        last = (done.stderr.strip().splitlines() or [f"counts of the ranks: {done.stdout.split()}"])[-1]
        return f"{program()} and mpi4py do not work together: {last}"
    return ""


@pytest.fixture(scope="session")
def mpi() -> None:
    """Skip the test where nothing can run under mpirun."""
    if reason := missing():
        pytest.skip(reason)


needs_mpi = pytest.mark.usefixtures("mpi")


def mpirun(ranks: int, *arguments: object, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess:
    """Run `python ARGUMENTS` on so many ranks and wait; return the exit status, and the ranks' output mixed.

    Raises subprocess.TimeoutExpired after timeout seconds. No process of it is left in either case.
    """
    with started(ranks, *arguments, **environment) as process:
        out, err = process.communicate(timeout=timeout)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextlib.contextmanager
def started(ranks: int, *arguments: object, **environment: str) -> Iterator[subprocess.Popen]:
    """Start `python ARGUMENTS` on so many ranks; end whatever is left of it when the block ends."""
    mark = uuid.uuid4().hex
    command = [program() or "mpirun", "-n", str(ranks), sys.executable, *map(str, arguments)]
    process = subprocess.Popen(command, env=os.environ | SETTINGS | environment | {MARK: mark}, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip
    process.mark = mark
    try:
        yield process
    finally:
        end(process)
        process.stdout.close()
        process.stderr.close()


def processes_of(process: subprocess.Popen) -> list[int]:
    """Return the numbers of the processes that a call started and that still run: mpirun, its helpers, the ranks."""
    wanted, found = f"{MARK}={process.mark}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # the process of another user, or one that has just ended
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return sorted(found)


def ranks_of(process: subprocess.Popen) -> list[int]:
    """Return the process numbers of the ranks, rank 0 first."""
    numbers = {}
    for pid in processes_of(process):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            given = dict(line.decode(errors="replace").split("=", 1) for line in lines if b"=" in line)
            rank = given.get("OMPI_COMM_WORLD_RANK", given.get("PMI_RANK"))
            if rank is not None:
                numbers.setdefault(int(rank), pid)  # a rank's own children have higher numbers
    return [numbers[rank] for rank in sorted(numbers)]


def end(process: subprocess.Popen) -> None:
    """Ask what is left to end, and kill what does not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes_of(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        limit = time.monotonic() + GRACE
        while processes_of(process) and time.monotonic() < limit:
            process.poll()
            time.sleep(0.05)
    process.wait()
