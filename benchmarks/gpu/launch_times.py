"""Each launch of a training step by itself: a graph of twenty such launches, replayed and divided.

The launches of one step are noted with their arguments, and then each is repeated on the same arrays. The repeats find
their arrays in the cache where these fit into it, so the sum over a step is a little less than the step; what the step
takes beyond it is gaps between kernels and memory that has left the cache.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu.sized import Settings
from benchmarks.measure.replays import ours_replayed
from benchmarks.measure.workloads import Ours, Workload
from gpunet import kernels
from gpunet.backend import use_precision
from gpunet.backend.graph import computing_stream, working_on

COPIES = 20


def run(settings: Settings) -> None:
    """Keep a row per launch in the order of the step, for the fastest precision and for fp32."""
    wanted = [name for name in ("bf16", "fp32") if name in settings.precisions]
    for precision in wanted:
        with use_precision(precision):
            calls = launches_of(settings.workload())
            rows = list(timed(calls, settings.times(COPIES)))
        settings.add("steps", {"precision": precision, "sum_us": sum(row["us"] for row in rows), "launches": rows})


def launches_of(workload: str) -> list[tuple[Any, ...]]:
    """Return the launches of one step, each as (positional arguments, named arguments) of kernels.launch."""
    ours = Ours(Workload.named(workload), "cuda")
    ours.stepper.stream = None  # no graph: every launch is seen
    with ours.running():
        ours.step()
        with noted() as calls:
            ours.step()
    return calls


@contextlib.contextmanager
def noted() -> Iterator[list[tuple[Any, ...]]]:
    """Note every launch of the block; the notes keep its arrays alive."""
    calls, launch = [], kernels.launch

    def note(*args: Any, **more: Any) -> None:
        calls.append((args, more))
        launch(*args, **more)

    kernels.launch = note
    try:
        yield calls
    finally:
        kernels.launch = launch


def timed(calls: list[tuple[Any, ...]], copies: int) -> Iterator[dict[str, Any]]:
    """Yield the microseconds of each launch, with its grid, block and the bytes of its arrays."""
    with working_on(computing_stream()):
        for number, (args, more) in enumerate(calls):
            seconds = ours_replayed([lambda args=args, more=more: kernels.launch(*args, **more)] * copies)
            seconds()
            size = sum(array.nbytes for array in args[3] if hasattr(array, "nbytes"))
            head = {"number": number, "kernel": args[0], "grid": args[1], "block": args[2], "array_bytes": size}
            yield head | {"us": 1e6 * min(seconds() for _ in range(3))}
