"""Signs of life between ranks, so that a rank that hangs ends the training instead of letting all others wait for ever.

A thread of every rank sends a number to the next rank once a second, and listens to the one before:

    nothing heard for SILENCE seconds              the rank before was stopped, or its machine is gone
    a step of this rank takes longer than it may   this rank hangs
    all ranks have waited for SILENCE seconds      they wait for each other: each takes part in another sum, say

Time counts only while this thread runs: after Ctrl-Z and `fg` nobody has been silent. A step's time counts only while
the rank does not wait for others. It may take LEAST seconds, or TIMES what the longest step before it took; the first
step, in which things are compiled and files come from slow disks, FIRST. What rank 0 does between steps, such as
measuring, may take any time: rank 0 does not wait then. `Waits` says how ranks learn that all of them wait.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator

from gpunet.distributed import Ranks

PERIOD = 1.0  # seconds from one sign of life to the next
SILENCE, LEAST, FIRST, TIMES = 18, 20, 300, 5

_now: Heartbeat | None = None


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Within the block steps may begin and end; behind it none is under way, however the block ends."""
    try:
        yield
    finally:
        end_step()


def begin_step() -> None:
    """Take note that this thread begins a step."""
    if _now:
        _now.step += 1
        _now.working = True


def end_step() -> None:
    """Take note that the step is done; what follows may take any time."""
    if _now:
        _now.working = False


class Waits:
    """For how many seconds all ranks have waited, each in one and the same call, as far as this rank knows.

    It is the number that a rank sends to the next one: the least of its own seconds and of the number that the rank
    before has sent, plus the second since then. Say ranks 0, 1 and 2 have waited for 9, 3 and 30 seconds. Rank 1 sends
    3; a second later rank 2 sends 4; a second later rank 0 has min(11, 4 + 1) = 5, and rank 1 has waited for 5 seconds.
    A rank that computes sends 0, and the others hear of it, each a second after the one before. So where R ranks have a
    number of 18 + R, all of them have waited at the same time for 18 seconds.
    """

    def __init__(self) -> None:
        self.own, self.before, self.call = 0, 0, -1

    def seconds(self, call: int | None, heard: int | None) -> int:
        """Return the number, a second after the last one; call: the number of the call that waits, None: none does.

        heard: the newest number of the rank before, None where there is no news.
        """
        self.own = self.own + 1 if call is not None and call == self.call else 0
        self.before = (self.before if heard is None else heard) + 1
        self.call = -1 if call is None else call
        return min(self.own, self.before)


class Heartbeat:
    """The thread of one rank, for the length of a `with` block. tell: is called with the line that says what is wrong,
    and returns when that has been read.

    The thread that makes it is the one whose steps are watched.
    """

    def __init__(self, group: Ranks, tell: Callable[[str], None]) -> None:
        self.group, self.tell = group, tell
        self.step, self.working = 0, False  # the number of the newest step, and whether it is under way
        self.watched, self.over = threading.get_ident(), threading.Event()
        self.thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def __enter__(self) -> Heartbeat:
        global _now
        _now = self
        if self.group.threads:
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        global _now
        _now = None
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()

    def hush(self) -> None:
        """Say nothing from here on: this rank ends all ranks for another reason."""
        self.over.set()

    def _run(self) -> None:
        silent = spent = longest = counted = 0
        group, waits = self.group, Waits()
        while not self.over.wait(PERIOD):
            heard = group.heard()
            waited = waits.seconds(group.waits if group.waiting else None, heard)
            group.beat(waited)
            silent = 0 if heard is not None else silent + 1
            if silent * PERIOD >= SILENCE:
                before = (group.rank - 1) % group.size
                self._end(f"rank {before} has given no sign of life for {SILENCE} seconds: it hangs or is gone")
            if group.rank == 0 and waited * PERIOD >= SILENCE + group.size:  # one rank is enough to end all
                self._end(
                    f"all ranks have waited for each other for {SILENCE} seconds, rank 0 {self._where()}: they do not "
                    "take the same steps. Was each started with the same options, files and program?"
                )
            if self.step != counted:
                longest, spent, counted = max(longest, spent), 0, self.step
            spent += self.working and not group.waiting
            most = FIRST if counted <= 1 else max(LEAST, TIMES * longest * PERIOD)
            if spent * PERIOD >= most:
                self._end(f"rank {group.rank} hangs: a step has taken over {most:.0f} seconds, {self._where()}")

    def _where(self) -> str:
        """Return where the watched thread is."""
        frame = sys._current_frames().get(self.watched)
        last = traceback.extract_stack(frame)[-1] if frame else None
        return f"in {last.name} of {last.filename}:{last.lineno}" if last else "nowhere"

    def _end(self, line: str) -> None:
        self.tell(line)
        self.group.abort(1)
        time.sleep(5)
        os._exit(1)  # where MPI itself hangs
