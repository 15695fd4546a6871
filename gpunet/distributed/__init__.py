"""Several processes that train one network together: `ranks()` is what layers and steps ask.

Each process, called a rank, has all weights and a share of every batch. What they do together is few things: gradients
are summed, weights are sent from rank 0 to all, and small objects travel to rank 0 and back.

    ranks().rank, ranks().size          0 of 1 where nothing else was said: `ALONE`, whose methods do nothing
    with among(join(place)): ...        within the block ranks() is the group of the processes that mpirun has started

    base.py         what a group of ranks can do, and ALONE
    environment.py  which rank this process is, by what mpirun, srun or torchrun have put into its environment
    mpi.py          `Mpi`: by mpi4py, arrays of the GPU through the host
    nccl.py         `Nccl`: arrays of the GPU by NCCL, through CuPy; all else by another group
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gpunet.distributed.base import ALONE, Handle, Ranks
from gpunet.distributed.environment import Place, find

_now: Ranks = ALONE


def ranks() -> Ranks:
    """Return the group of ranks that this process computes with: `ALONE` outside of `among`."""
    return _now


def use(group: Ranks) -> None:
    """Let `ranks` return this group until the block of `among` around it ends."""
    global _now
    _now = group


@contextlib.contextmanager
def among(group: Ranks) -> Iterator[Ranks]:
    """Within the block `ranks` returns this group."""
    global _now
    before, _now = _now, group
    try:
        yield group
    finally:
        _now = before
