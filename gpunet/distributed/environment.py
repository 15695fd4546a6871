"""Which rank this process is: what the program that started it has put into its environment.

    started by       rank                   size                   local rank               ranks on this machine
    Open MPI         OMPI_COMM_WORLD_RANK   OMPI_COMM_WORLD_SIZE   OMPI_COMM_WORLD_LOCAL_RANK   ..._LOCAL_SIZE
    MPICH, Intel     PMI_RANK               PMI_SIZE               MPI_LOCALRANKID          MPI_LOCALNRANKS
    torchrun         RANK                   WORLD_SIZE             LOCAL_RANK               LOCAL_WORLD_SIZE
    Slurm's srun     SLURM_PROCID           SLURM_STEP_NUM_TASKS   SLURM_LOCALID            SLURM_STEP_TASKS_PER_NODE

A script for sbatch sees SLURM_NTASKS, too, but is one process: SLURM_STEP_NUM_TASKS is there in steps of srun alone.
Where one program starts another, as srun does mpirun, the first line of the table that fits counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple


class Place(NamedTuple):
    """Rank and size, those on this machine, and who says so."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    launcher: str  # a name for messages


class _Names(NamedTuple):
    rank: str
    size: str
    local_rank: str
    local_size: str


LAUNCHERS = {
    "Open MPI's mpirun": _Names(*(f"OMPI_COMM_WORLD_{name}" for name in ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE"))),
    "mpirun": _Names("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    "torchrun": _Names("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    "srun": _Names("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
}
TORCHRUN = "torchrun"


def find(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place of this process among several; None where no launcher says so, or it started just one.

    A local rank that is not told is 0, and so many ranks on this machine as in all.
    """
    for launcher, names in LAUNCHERS.items():
        rank, size = (_number(environment.get(name)) for name in names[:2])
        told_more = launcher != TORCHRUN or "MASTER_ADDR" in environment  # RANK alone may be anything
        if rank is not None and size is not None and told_more and rank < size:
            local_rank, local_size = (_number(environment.get(name)) for name in names[2:])
            place = Place(rank, size, local_rank or 0, local_size or size, launcher)
            return place if size > 1 else None
    return None


def _number(text: str | None) -> int | None:
    """Return the number that a text begins with, None where it begins with none: Slurm writes "4(x2)"."""
    digits = text.split("(")[0].split(",")[0] if text else ""
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None
