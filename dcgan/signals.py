"""Ctrl-C while training ends the run after the step: it is saved, and can be resumed."""

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
    """Within the block, the first SIGINT or SIGTERM only sets the returned Stop; a second one ends the program."""
    stop, before = Stop(), dict[int, Any]()

    def handle(number: int, frame: object) -> None:
        stop.asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():  # elsewhere Python delivers no signals
        before.update({number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)})
    try:
        yield stop
    finally:
        restore()
