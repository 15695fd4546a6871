"""Groups of ranks: sums, broadcasts and objects by MPI; ALONE; which rank a process is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpunet import distributed
from gpunet.distributed import ALONE, Place, find
from mpirun import mpirun, needs_mpi


@needs_mpi
@pytest.mark.parametrize(
    ("count", "arrays"), [(2, "numpy"), (4, "numpy"), pytest.param(2, "cupy", marks=pytest.mark.cuda)]
)
def test_groups_of_ranks_by_mpi(count, arrays):
    done = mpirun(count, Path(__file__).parent / "on_ranks.py", arrays)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"rank {i} is done" for i in range(count)]


def test_alone_every_method_does_nothing():
    array = np.arange(3.0)
    ALONE.sum(array)
    ALONE.begin_sum(array).wait()
    ALONE.broadcast(array)
    ALONE.barrier()
    ALONE.finish()
    assert array.tolist() == [0, 1, 2]
    assert ALONE.gather("a") == ["a"] and ALONE.tell("a") == "a"
    assert (ALONE.rank, ALONE.size, ALONE.local_rank, ALONE.local_size) == (0, 1, 0, 1)
    assert distributed.ranks() is ALONE


def test_among_is_taken_back_after_an_error():
    other = distributed.Ranks()
    with pytest.raises(KeyError), distributed.among(other):
        assert distributed.ranks() is other
        raise KeyError
    assert distributed.ranks() is ALONE


OPEN_MPI = {f"OMPI_COMM_WORLD_{name}": value for name, value in
            (("RANK", "5"), ("SIZE", "8"), ("LOCAL_RANK", "1"), ("LOCAL_SIZE", "4"))}  # fmt: skip
HYDRA = {"PMI_RANK": "2", "PMI_SIZE": "4", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "here"}
SLURM = {"SLURM_PROCID": "3", "SLURM_NTASKS": "6", "SLURM_STEP_NUM_TASKS": "6", "SLURM_LOCALID": "1",
         "SLURM_STEP_TASKS_PER_NODE": "2(x3)"}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (OPEN_MPI, Place(5, 8, 1, 4, "Open MPI's mpirun")),
        (HYDRA, Place(2, 4, 0, 2, "mpirun")),
        (TORCHRUN, Place(1, 2, 1, 2, "torchrun")),
        (SLURM, Place(3, 6, 1, 2, "srun")),
        (SLURM | OPEN_MPI, Place(5, 8, 1, 4, "Open MPI's mpirun")),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6"}, None),  # in a script for sbatch
        ({"RANK": "1", "WORLD_SIZE": "2"}, None),  # of another program
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, None),
        ({"PMI_RANK": "x", "PMI_SIZE": "2"}, None),
        ({"PMI_RANK": "1", "PMI_SIZE": "4"}, Place(1, 4, 0, 4, "mpirun")),
    ],
)
def test_the_environment_tells_which_rank_a_process_is(environment, expected):
    assert find(environment) == expected
