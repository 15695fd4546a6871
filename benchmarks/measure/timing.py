"""Timing: the sides take turns in one process, medians and spreads are over the turns; on a GPU events measure."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Step = Callable[[], Any]
Timer = Callable[[Step], float]  # runs the step, returns its seconds


class Timed(NamedTuple):
    """Milliseconds of one side over all rounds."""

    median: float
    least: float
    most: float


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Timed]:
    """Time every side once per round, so that a disturbance of the machine affects all sides.

    The first side of a round is the second side of the round before. sides: name -> function that does the work once
    and returns its seconds.
    """
    names, seconds = list(sides), {name: [] for name in sides}  # type: ignore[var-annotated]
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(sides[name]())
    return {
        name: Timed(*(1e3 * value for value in (statistics.median(found), min(found), max(found))))
        for name, found in seconds.items()
    }


def on_cpu(step: Step) -> float:
    """Return the seconds of a step that returns when its work is done."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def ours_on_cuda(stream: Any = None, calls: int = 1) -> Timer:
    """Return a timer of the work that a step queues on a CuPy stream, between an event before and one after it.

    calls: how often the step is called in between, back to back; the timer returns the seconds of one call. Then the
    host's part of a step, such as the copy of its pictures, is hidden behind the GPU's work, as it is in training.
    """
    import cupy

    flush = cupy.empty(2 * cupy.cuda.Device().attributes["L2CacheSize"], "uint8")

    def timer(step: Step) -> float:
        with stream or cupy.cuda.Stream.null as queue:
            flush.fill(0)  # replaces the last run's data in the L2 cache
            begin, end = cupy.cuda.Event(), cupy.cuda.Event()
            begin.record(queue)
            for _ in range(calls):
                step()
            end.record(queue)
            end.synchronize()
        return cupy.cuda.get_elapsed_time(begin, end) / 1e3 / calls

    return timer


def torch_on_cuda(calls: int = 1) -> Timer:
    """Return a timer of the work that a step of PyTorch queues, like ours_on_cuda."""
    import torch

    flush = torch.empty(2 * torch.cuda.get_device_properties().L2_cache_size, dtype=torch.uint8, device="cuda")

    def timer(step: Step) -> float:
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(calls):
            step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / calls

    return timer


def timers(device: str, stream: Any = None, calls: int = 1) -> tuple[Timer, Timer]:
    """Return the timer of our side, which queues its work on `stream`, and of PyTorch's, which may be on the CPU.

    calls: how many steps a GPU's timer puts behind each other.
    """
    if device == "cpu":
        return on_cpu, on_cpu
    import torch

    return ours_on_cuda(stream, calls), torch_on_cuda(calls) if torch.cuda.is_available() else on_cpu


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a `with` block that takes longer: PyTorch's compiler may never end."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)  # every 5 s again, in case the compiler catches the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
