"""The step: ours in every precision and two batch sizes, verified against PyTorch's ways, then timed in turn with them.

Three times of ours: replays of the graph back to back (the GPU's part), whole steps with new pictures from the host on
the clock (what a training gets), and the host's part of a step, while the GPU is busy with the one before.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks.gpu.sized import Settings
from benchmarks.measure.timing import alternate, ours_on_cuda
from benchmarks.measure.workloads import Ours, Workload
from gpunet.backend import use_precision

ROUNDS, REPLAYS, STEPS = 7, 100, 300
RIVALS = ("eager", "frozen+fused+channels_last", "frozen+fused+channels_last+graph")

COMPILED = ("frozen+fused+channels_last+compiled+graph",)  # takes long to start
OTHERS, TINY = ("dcgan64-nf128-b128", "carpedm20-nf64-b64", "paper-nf64-b64"), ("basicgan-nf2-b4",)


def run(settings: Settings) -> None:
    """Keep a row per precision and batch; the rivals' times only where both sides agree."""
    for factor in (1, 2):
        for precision in reversed(settings.precisions):  # bf16 and fp16 first: the deadline may cut the rest
            settings.add("steps", row(settings, settings.workload(factor), precision, RIVALS))


def inductor(settings: Settings) -> None:
    """Keep a row for the compiled rival in the fastest precision, then other workloads against a captured step."""
    precision = "bf16" if "bf16" in settings.precisions else "fp32"
    if settings.has_torch:
        settings.add("steps", row(settings, settings.workload(), precision, COMPILED))
    for name in OTHERS if settings.full else TINY:
        settings.add("steps", row(settings, name, precision, RIVALS[-1:]))


def row(settings: Settings, name: str, precision: str, rivals: tuple[str, ...]) -> dict[str, Any]:
    """Return the row of a workload in a precision; an error in it is its content."""
    found: dict[str, Any] = {"workload": name, "precision": precision}
    try:
        with use_precision(precision):
            found |= ours(settings, Workload.named(name))
            return found | (against(settings, name, precision, rivals) if settings.has_torch else {"verified": None})
    except Exception as error:  # out of memory, for one; the other rows are still to come
        return found | {"failed": f"{type(error).__name__}: {error}".partition("\n")[0]}


def ours(settings: Settings, workload: Workload) -> dict[str, Any]:
    """Return our three times in milliseconds, and pictures per second of whole steps."""
    side, replays, steps = Ours(workload, "cuda"), settings.times(REPLAYS), settings.times(STEPS)
    with side.running():
        for _ in range(4):
            side.step()
        ((_, graph),) = side.stepper.graphs.values()
        timer = ours_on_cuda(side.stepper.stream, replays)
        replay = alternate({"ours": lambda: timer(lambda: graph(side.stepper.stream))}, settings.times(ROUNDS))["ours"]
        began = time.perf_counter()
        for _ in range(steps):
            side.step()
        queued = time.perf_counter() - began
        side.stepper.stream.synchronize()
        whole = time.perf_counter() - began
    found = {"replay_ms": replay.median, "replay_spread_ms": [replay.least, replay.most], "gflop": workload.gflop}
    found |= {"whole_ms": 1e3 * whole / steps, "host_ms": 1e3 * queued / steps}
    return found | {"pictures_per_second": workload.batch * steps / whole}


def against(settings: Settings, name: str, precision: str, rivals: tuple[str, ...]) -> dict[str, Any]:
    """Return errors and times of benchmarks.step's race against these rivals."""
    from benchmarks.measure.settings import prepare
    from benchmarks.rivals.chosen import chosen
    from benchmarks.step import Race

    prepare(argparse.Namespace(precision=precision, device="cuda"))
    return Race(Workload.named(name), chosen(rivals, "cuda", precision), "cuda").row(settings.times(ROUNDS))
