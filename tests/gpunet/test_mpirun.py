"""The tests' own mpirun: ranks find each other, their exit status comes back, and none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from mpirun import mpirun, needs_mpi, processes_of, ranks_of, started

pytestmark = needs_mpi
WAITING = "import time; from mpi4py import MPI; MPI.COMM_WORLD.Barrier(); print('met', flush=True); time.sleep(60)"


@pytest.mark.parametrize("ranks", [1, 3])
def test_each_rank_knows_how_many_there_are(ranks):
    done = mpirun(ranks, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(10))")
    assert done.returncode == 0
    assert done.stdout.split() == [str(10 * ranks)] * ranks


def test_the_exit_status_of_the_ranks_comes_back():
    done = mpirun(2, "-c", "import sys; from mpi4py import MPI; MPI.COMM_WORLD.Barrier(); sys.exit(2)")
    assert done.returncode == 2


def test_what_takes_too_long_is_ended_with_all_its_ranks():
    with pytest.raises(subprocess.TimeoutExpired), started(2, "-c", WAITING) as process:
        assert process.stdout.readline() == "met\n"
        assert len(ranks_of(process)) == 2
        process.wait(timeout=0.5)
    assert processes_of(process) == []


def test_the_ranks_stand_in_order():
    script = "import os, time; from mpi4py import MPI; pids = MPI.COMM_WORLD.allgather(os.getpid())\n"
    script += "print(MPI.COMM_WORLD.rank or pids, flush=True); time.sleep(60)"
    with started(3, "-c", script) as process:
        numbers = next(line for line in process.stdout if line.startswith("["))
        assert f"{ranks_of(process)}\n" == numbers


def test_the_death_of_one_rank_ends_the_others():
    with started(2, "-c", WAITING) as process:
        process.stdout.readline()
        os.kill(ranks_of(process)[1], signal.SIGKILL)
        assert process.wait(timeout=20) != 0
        limit = time.monotonic() + 5
        while processes_of(process) and time.monotonic() < limit:
            time.sleep(0.05)
        assert processes_of(process) == []
