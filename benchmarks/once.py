"""A process that trains a few steps on one side and says when the first was done, how long they took and its memory.

benchmarks/processes.py starts it with a JSON text. PyTorch's side imports nothing of ours but the networks' definitions
in PyTorch, so that neither memory nor time is counted for the other.
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

    return Ours(Workload.named(given["workload"]), "cpu").step


def theirs(given: dict[str, Any]) -> Callable[[], Any]:
    """Return PyTorch's step, with weights, pictures and z of its own."""
    import torch

    from benchmarks.rivals.torch_step import Rival, TorchStep, networks

    torch.set_num_threads(given["threads"])
    plain = given["plain"]
    real = torch.rand(given["pictures"]) * 2 - 1
    zs = [torch.randn(len(real), plain["network"][0]) for _ in range(1 + plain["fresh_z"] * plain["g_steps"])]
    return TorchStep(plain, Rival(given["rival"]), *networks(plain), real, zs).step


def main() -> None:
    """Run the steps; print a JSON text."""
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
    """Return the most resident memory of this process so far. Linux's ru_maxrss may be that of the parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 2**10
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


if __name__ == "__main__":
    main()
