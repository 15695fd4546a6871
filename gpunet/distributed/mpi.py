"""Mpi: a group of ranks by MPI, the library for parallel programs, through mpi4py.

Arrays on the GPU go through the host. So every cell can be tested without a second GPU, and ranks without NCCL train,
if slowly.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.backend.devices import Array, on_cuda, to_numpy
from gpunet.distributed.base import Handle, Ranks
from gpunet.distributed.environment import Place

BEAT = 1  # the tag of signs of life


class MpiError(RuntimeError):
    """The processes that were started cannot work together. Its text says what is missing."""


def join(place: Place | None) -> Mpi:
    """Return the group of all processes that mpirun or srun has started. Raises MpiError.

    place: what the environment says, to compare with; None: nothing to compare.
    """
    launcher = place.launcher if place else "mpirun"
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        started = f"{launcher} has started {place.size} processes" if place else "several processes"
        raise MpiError(
            f"{started}, which need mpi4py and an MPI library ({error}): pip install 'gpunet[mpi]', "
            "or give --ranks none, and each trains on its own"
        ) from error
    world = MPI.COMM_WORLD
    if place and world.size != place.size:
        other = "take the mpirun of that library"
        if launcher == "srun":
            other = "take srun's own MPI (module load), with an mpi4py that was built for it, or give --ranks none"
        raise MpiError(
            f"{launcher} has started {place.size} processes, but mpi4py sees {world.size}: it was built for another "
            f"MPI library ({_library(MPI)}); {other}"
        )
    return Mpi(world)


class Mpi(Ranks):
    """A group of ranks that share an MPI communicator."""

    captures = False

    def __init__(self, world: Any) -> None:
        from mpi4py import MPI

        self.mpi, self.world = MPI, world
        self.threads = MPI.Query_thread() == MPI.THREAD_MULTIPLE
        self.waiting, self.waits = False, 0
        self.beats = world.Dup()  # signs of life must not meet other messages
        self.rank, self.size = world.rank, world.size
        here = world.Split_type(MPI.COMM_TYPE_SHARED)
        self.local_rank, self.local_size = here.rank, here.size
        here.Free()
        self.sent: list[tuple[Any, np.ndarray]] = []  # signs of life that are under way

    def sum(self, array: Array) -> None:
        numbers = to_numpy(_contiguous(array))
        with self._waiting():
            self.world.Allreduce(self.mpi.IN_PLACE, numbers)
        if on_cuda(array):
            array.set(numbers)

    def begin_sum(self, array: Array) -> Handle:
        numbers = to_numpy(_contiguous(array))
        return _Sum(self, self.world.Iallreduce(self.mpi.IN_PLACE, numbers), array, numbers)

    def broadcast(self, array: Array, root: int = 0) -> None:
        numbers = to_numpy(_contiguous(array))
        with self._waiting():
            self.world.Bcast(numbers, root)
        if on_cuda(array):
            array.set(numbers)

    def gather(self, value: Any) -> list[Any] | None:
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        lengths = np.empty(self.size, np.int64)
        with self._waiting():
            self.world.Allgather(np.array([len(text)], np.int64), lengths)
            room = np.empty(int(lengths.sum()), np.uint8) if self.rank == 0 else None
            self.world.Gatherv(text, None if room is None else (room, lengths))
        if room is None:
            return None
        ends = np.cumsum(lengths)
        return [json.loads(room[end - length : end].tobytes()) for end, length in zip(ends, lengths, strict=True)]

    def tell(self, value: Any) -> Any:
        text = json.dumps(value).encode() if self.rank == 0 else b""
        length = np.array([len(text)], np.int64)
        with self._waiting():
            self.world.Bcast(length)
            room = np.frombuffer(text, np.uint8).copy() if self.rank == 0 else np.empty(int(length[0]), np.uint8)
            self.world.Bcast(room)
        return json.loads(room.tobytes())

    def barrier(self) -> None:
        with self._waiting():
            self.world.Barrier()

    def finish(self) -> None:
        """Wait for all ranks and end MPI: behind this no rank is killed because another one has ended."""
        self.world.Barrier()
        self.heard()  # a message that nobody takes would keep MPI from ending
        self.mpi.Finalize()

    def abort(self, status: int) -> None:
        self.world.Abort(status)

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        self.waits += 1
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False

    def beat(self, state: int) -> None:
        self.sent = [(request, number) for request, number in self.sent if not request.Test()]
        number = np.array([state], np.int64)
        self.sent.append((self.beats.Isend(number, (self.rank + 1) % self.size, BEAT), number))

    def heard(self) -> int | None:
        newest, before = None, (self.rank - 1) % self.size
        while self.beats.Iprobe(before, BEAT):
            number = np.empty(1, np.int64)
            self.beats.Recv(number, before, BEAT)
            newest = int(number[0])
        return newest


class _Sum(Handle):
    """A sum that MPI has begun; numbers: the array itself, or its copy on the host."""

    def __init__(self, group: Mpi, request: Any, array: Array, numbers: np.ndarray) -> None:
        self.group, self.request, self.array, self.numbers = group, request, array, numbers
        self.done = False

    def wait(self) -> None:
        if not self.done:
            with self.group._waiting():
                self.request.Wait()
            if on_cuda(self.array):
                self.array.set(self.numbers)
        self.done = True

    def poke(self) -> None:
        if not self.done:
            self.request.Test()


def _contiguous(array: Array) -> Array:
    """Return the array. Raises ValueError where its numbers do not lie one after another: a copy would be summed."""
    if not array.flags.c_contiguous:
        raise ValueError(f"got an array of shape {array.shape} and strides {array.strides}, expected a contiguous one")
    return array


def _library(mpi: Any) -> str:
    with contextlib.suppress(Exception):
        return str(mpi.Get_library_version()).split(",")[0].splitlines()[0].strip("\0 ")
    return "unknown"
