"""A process that trains a few steps on one side; it prints the time of its first step, all durations and its memory.

benchmarks/processes.py starts this process with a JSON text as its argument. PyTorch's side imports nothing of our
library, only PyTorch's step and networks from benchmarks/rivals: the time and memory of one side must not count for the
other. For the same reason our side does not import PyTorch, and the imports stand inside the functions.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def ours(given: dict[str, Any]) -> Callable[[], Any]:
    """Return our step."""
    from benchmarks.measure.workloads import Ours, Workload

    found = Ours(Workload.named(given["workload"]), "cpu")

    def step() -> None:
        with found.running():
            found.step()

    return step


def theirs(given: dict[str, Any]) -> Callable[[], Any]:
    """Return PyTorch's step, with weights, pictures and z of its own."""
    import torch

    from benchmarks.rivals.names import Rival
    from benchmarks.rivals.torch_step import TorchStep, networks

    torch.set_num_threads(given["threads"])
    plain = given["plain"]
    real = torch.rand(given["pictures"]) * 2 - 1
    zs = [torch.randn(len(real), plain["network"][0]) for _ in range(1 + plain["fresh_z"] * plain["g_steps"])]
    return TorchStep(plain, Rival(given["rival"]), *networks(plain), real, zs).step


def main() -> None:
    """Run the steps; print a JSON text: first_step (the time of day when it ended), seconds, peak_mb."""
    given = json.loads(sys.argv[1])
    step = theirs(given) if "rival" in given else ours(given)
    first_step, seconds = 0.0, []
    for _ in range(given["steps"]):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
        first_step = first_step or time.time()
    print(json.dumps({"first_step": first_step, "seconds": seconds, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Return the largest resident memory of this process so far, in MB.

    Linux has it in /proc: its ru_maxrss may be the parent's, which a child process inherits.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**10
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


if __name__ == "__main__":
    main()
