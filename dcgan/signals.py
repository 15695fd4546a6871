"""Ctrl-C, or the end of the terminal, while training ends the run after the step: it is saved, and can be resumed."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Stop:
    """Becomes true when the user or the system asks the run to end."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


@contextlib.contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Within the block, the first SIGINT, SIGTERM, SIGHUP or SIGUSR1 only sets the returned Stop; a second ends all.

    SIGHUP comes when the terminal or its connection is closed. Where it is ignored, as under nohup, it stays ignored.
    SIGUSR1 is what Slurm can send before the time of a job is over, and what Open MPI's mpirun hands on to its ranks.
    """
    stop, before = Stop(), dict[int, Any]()

    def handle(number: int, frame: object) -> None:
        stop.asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():  # elsewhere Python delivers no signals
        before.update({number: signal.signal(number, handle) for number in _heeded()})
    try:
        yield stop
    finally:
        restore()


def _heeded() -> list[int]:
    hangup = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # not on Windows
    user = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []
    heeded = [number for number in hangup if signal.getsignal(number) != signal.SIG_IGN]
    return [signal.SIGINT, signal.SIGTERM, *heeded, *user]


@contextlib.contextmanager
def noted_interrupt() -> Iterator[Stop]:
    """Within the block, SIGINT raises KeyboardInterrupt as ever, and the returned Stop tells that it came."""
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: object) -> None:
        stop.asked = True
        signal.default_int_handler(number, None)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
