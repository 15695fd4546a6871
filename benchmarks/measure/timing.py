"""Timing: several sides in turn, in one process; medians and spreads; on a GPU by events, with a cold L2 cache."""

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
    """Time every side once per round, each round beginning with the next one; what disturbs then disturbs all.

    sides: name -> function that does the work once and returns its seconds.
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
    """Run the step, which returns when it is done; return its seconds."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def ours_on_cuda(stream: Any = None) -> Timer:
    """Return a timer of what is queued on a CuPy stream, by events around it."""
    import cupy

    flush = cupy.empty(2 * cupy.cuda.Device().attributes["L2CacheSize"], "uint8")

    def timer(step: Step) -> float:
        with stream or cupy.cuda.Stream.null as queue:
            flush.fill(0)  # so that nothing of the last run is left in the L2 cache
            begin, end = cupy.cuda.Event(), cupy.cuda.Event()
            begin.record(queue)
            step()
            end.record(queue)
            end.synchronize()
        return cupy.cuda.get_elapsed_time(begin, end) / 1e3

    return timer


def torch_on_cuda() -> Timer:
    """Return a timer of what PyTorch queues, by events around it."""
    import torch

    flush = torch.empty(2 * torch.cuda.get_device_properties().L2_cache_size, dtype=torch.uint8, device="cuda")

    def timer(step: Step) -> float:
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3

    return timer


def timers(device: str, stream: Any = None) -> tuple[Timer, Timer]:
    """Return the timer of our side, whose work is queued on `stream`, and PyTorch's on the same device."""
    if device == "cpu":
        return on_cpu, on_cpu
    import torch

    return ours_on_cuda(stream), torch_on_cuda() if torch.cuda.is_available() else on_cpu


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer: PyTorch's compiler may never come to an end."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 5.0)  # again and again, should the compiler catch the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
