"""Ranks: what a group of processes can do together, and `ALONE`, the group of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpunet.backend.devices import Array


class Handle:
    """A sum that is under way: the array holds it once `wait` has returned."""

    def wait(self) -> None:
        """Wait for the sum, on a GPU by the current stream. A second call does nothing."""

    def poke(self) -> None:
        """Let the library go on with the sum: MPI moves data only while it is called."""


DONE = Handle()  # of a sum that is there already


class Ranks:
    """A group of ranks, here that of one process. Every method but the numbers is called by all ranks, in one order.

    rank, size                this process's number, from 0, and how many there are
    local_rank, local_size    the same among the processes of this machine: local rank 1 takes the second GPU
    captures                  whether sums of arrays on the GPU can be captured in a CUDA graph
    threads                   whether any thread may call `beat`, `heard` and `abort` while another one waits
    waiting, waits            whether this process waits for other ranks now; how many such calls there have been
    """

    rank, size = 0, 1
    local_rank, local_size = 0, 1
    captures = True
    threads = False
    waiting, waits = False, 0

    def sum(self, array: Array) -> None:
        """Add up a C-contiguous array over all ranks, in place; on a GPU in order with the current stream.

        float32, float64, int32, int64 and uint8. All ranks get the same bits.
        """

    def begin_sum(self, array: Array) -> Handle:
        """Begin a `sum`; nobody may touch the array until the handle's `wait` has returned.

        All ranks begin their sums in the same order.
        """
        return DONE

    def broadcast(self, array: Array, root: int = 0) -> None:
        """Overwrite a C-contiguous array by that of rank `root`."""

    def gather(self, value: Any) -> list[Any] | None:
        """Return the values of all ranks in their order at rank 0, None at all others.

        A value is what JSON can hold, and travels so: nothing that is received can run code.
        """
        return [value]

    def tell(self, value: Any) -> Any:
        """Return rank 0's value at every rank; it is what JSON can hold. The values of other ranks do not count."""
        return value

    def barrier(self) -> None:
        """Wait until all ranks have come here."""

    def finish(self) -> None:
        """End the group in an orderly way, once all ranks have done their work."""

    def abort(self, status: int) -> None:
        """End all ranks at once with this exit status: for errors that only some of them know."""

    def beat(self, state: int) -> None:
        """Send a sign of life, a number, to the next rank. Any thread may call this and `heard`."""

    def heard(self) -> int | None:
        """Return the newest number that the rank before has sent since the last call, None if there was none."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(rank {self.rank} of {self.size})"


class Alone(Ranks):
    """One process: every method does nothing."""


ALONE = Alone()
