"""Ranks of one process: threads that take turns, so that sums over ranks are tested in every cell, and without MPI.

A single thread runs at a time, until it sends a message; then the next one does. `distributed.ranks()` is the rank of
the thread that runs. So code that is not made for threads runs as on ranks that are processes. A rank that fails, or
that ends while others wait for its message, ends them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gpunet import distributed
from gpunet.backend.devices import Array, array_module
from gpunet.distributed.base import DONE, Handle, Ranks


class Thread(Ranks):
    """One rank."""

    captures = False

    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.meeting = meeting
        self.rank = self.local_rank = rank
        self.size = self.local_size = meeting.size

    def sum(self, array: Array) -> None:
        """Put the sum over all ranks, in their order, in the place of an array."""
        meeting = self.meeting
        assert array.flags.c_contiguous, "a message is one piece of memory"
        meeting.given[self.rank] = array.copy()
        self.barrier()
        kinds = {(each.shape, each.dtype, array_module(each)) for each in meeting.given}
        assert len(kinds) == 1, f"ranks sum different arrays: {kinds}"
        total = meeting.given[0].copy()
        for more in meeting.given[1:]:
            total += more
        array[...] = total
        if self.rank == 0:
            meeting.messages.append(array.shape)
        self.barrier()

    def begin_sum(self, array: Array) -> Handle:
        self.sum(array)
        return DONE

    def barrier(self) -> None:
        self.meeting.wait()
        distributed._now = self


class Waiting(RuntimeError):
    """A rank waits for a message that another one, which has ended or failed, does not send."""


class Meeting:
    """Where the ranks wait for each other. messages: the shapes of the arrays that were summed, in order."""

    def __init__(self, size: int) -> None:
        self.size, self.given, self.messages = size, [None] * size, []
        self.turn = threading.Condition()  # the thread that runs holds it
        self.count = self.here = self.ended = 0  # meetings so far; ranks that wait for this one; that come no more

    def wait(self) -> None:
        """Let the others run until all have come here."""
        count, self.here = self.count, self.here + 1
        if self.here == self.size:
            self.count, self.here = count + 1, 0
        self.turn.notify_all()
        self.turn.wait_for(lambda: self.count > count or self.here + self.ended == self.size)
        if self.count == count:
            raise Waiting(f"{self.ended} of {self.size} ranks come no more")

    def end(self) -> None:
        """Note that a rank comes no more."""
        self.ended += 1
        self.turn.notify_all()


def on_ranks(size: int, work: Callable[[Any], Any], messages: list | None = None) -> list[Any]:
    """Return what `work(ranks)` returns on each of so many ranks; messages: gets the shapes of all sums.

    Raises what the first rank raised, one that failed by itself before one that was left waiting.
    """
    meeting, results, errors = Meeting(size), [None] * size, []

    def run(rank: int) -> None:
        with meeting.turn:
            distributed._now = ranks = Thread(meeting, rank)
            try:
                results[rank] = work(ranks)
            except BaseException as error:
                errors.append((isinstance(error, Waiting), rank, error))
            finally:
                meeting.end()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    before = distributed._now
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    distributed._now = before
    if errors:
        raise min(errors, key=lambda error: error[:2])[2]
    if messages is not None:
        messages += meeting.messages
    return results
