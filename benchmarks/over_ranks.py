"""How much faster several ranks train a batch that they share out: python -m benchmarks.scaling --ranks 1 2 4

Each point is a new mpirun (benchmarks/each_rank.py), and the points take turns, some rounds long. All train the same
whole batch, with one thread per rank. Before its times count, a point is verified: its ranks have the same weights and
moments, bit for bit, and with --sync-bn its first gradients are those of one rank to rounding. How large rounding is
shows a batch in another order, on one rank: D's gradients of dcgan64-nf32-b64 then differ by up to 9e-4 of their root
mean square, since an activation near 0 may change its sign. G's come after an update of D, in which Adam makes a whole
step out of a gradient that is nearly zero, of either sign, and differ by 3e-2. The limits are five and three times
that; statistics of a rank's own share would miss them by far (tests/distributed compares in float64, to 1e-12).
Without --sync-bn each rank takes the statistics of its own share, so its gradients are not those of one rank.

Bytes are those of the arrays that are summed. What a rank sends for them is the library's choice; a ring sends
2 (R-1)/R of them (docs/scaling.md).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measure.workloads import Workload
from benchmarks.static.all_reduce import ring_bytes
from dcgan.gan import GAN

ROOT = Path(__file__).parents[1]
LIMIT = 600  # seconds of one mpirun
NEAR = {"D": 5e-3, "G": 1e-1}  # root mean square of a difference, relative
HEAD = ("ranks", "--sync-bn", "step ms", "spread", "faster", "efficiency", "sums", "MB summed", "MB sent by a ring",
        "verified")  # fmt: skip
# Open MPI refuses root and more ranks than cores unless it is told; MPICH does neither.
ROOT_TOO = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT",
            "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM")  # fmt: skip
ALLOWED = dict.fromkeys(ROOT_TOO, "1") | {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe"}


class Point(NamedTuple):
    """A number of ranks, and whether their batch norm takes the pictures of all."""

    ranks: int
    sync_bn: bool


def mpirun() -> str | None:
    """Return the path of mpirun: the one beside this Python, or else the first of PATH."""
    beside = Path(sys.executable).with_name("mpirun")
    return str(beside) if beside.exists() else shutil.which("mpirun")


def run(point: Point, workload: Workload, steps: int, file: Path) -> dict[str, Any]:
    """Train on these ranks; return what rank 0 prints. file: for the first gradients. RuntimeError: it fails."""
    given = {"workload": workload.name, "steps": steps, "sync_bn": point.sync_bn, "file": str(file)}
    command = [mpirun() or "mpirun", "-n", str(point.ranks), sys.executable, "-m", "benchmarks.each_rank"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | ALLOWED
    done = subprocess.run([*command, json.dumps(given)], capture_output=True, text=True, env=environment, timeout=LIMIT)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{point.ranks} ranks ended with status {done.returncode}: {last}")
    found = json.loads(done.stdout.splitlines()[-1])
    if found["ranks"] != point.ranks:
        raise RuntimeError(f"{point.ranks} processes were started, but each is alone: mpi4py has another MPI library")
    return found


def measured(counts: Sequence[int], workload: Workload, steps: int, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each point. Raises RuntimeError where a point fails, ValueError where it is not verified."""
    points = [Point(ranks, sync_bn) for ranks in dict.fromkeys([1, *counts]) for sync_bn in (False, True)[:ranks]]
    seconds: dict[Point, list[float]] = {point: [] for point in points}
    found: dict[Point, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        file, alone = Path(place) / "first.npy", None
        for _ in range(rounds):
            for point in points:
                found[point] = run(point, workload, steps, file)
                gradients = np.load(file)
                alone = gradients if alone is None else alone
                found[point]["off"] = require_same(point, found[point], gradients, alone, workload)
                seconds[point] += found[point]["seconds"]
                print(point, f"{1e3 * statistics.median(found[point]['seconds']):.0f} ms", file=sys.stderr, flush=True)
    one = statistics.median(seconds[points[0]])
    return [row(point, found[point], seconds[point], one) for point in points]


def require_same(
    point: Point, found: dict[str, Any], gradients: np.ndarray, alone: np.ndarray, workload: Workload
) -> dict[str, float]:
    """Return by how much D's and G's first gradients differ from those of one rank, {} without --sync-bn.

    Raises ValueError where that is too much, or where ranks have come apart.
    """
    if found["drifted"]:
        raise ValueError(f"{point}: ranks {found['drifted']} have other weights than rank 0")
    if not point.sync_bn:
        return {}
    gan = GAN(workload.config, np.random.default_rng(0), "cpu")
    border = sum(grad.size for grad in gan.adam_D.grad)  # D's come first
    parts = {"D": slice(0, border), "G": slice(border, None)}
    off = {name: rms(gradients[part] - alone[part]) / rms(alone[part]) for name, part in parts.items()}
    for name, value in off.items():
        if not value <= NEAR[name]:
            raise ValueError(f"{point}: gradients of {name} are off by {value:.1e}, expected at most {NEAR[name]:.0e}")
    return off


def rms(numbers: np.ndarray) -> float:
    """Return the root mean square of numbers."""
    return float(np.sqrt(np.mean(np.square(numbers, dtype="float64"))))


def row(point: Point, found: dict[str, Any], seconds: Sequence[float], one: float) -> dict[str, Any]:
    """Return what a point has come to; one: the median seconds of a step on one rank."""
    median = statistics.median(seconds)
    return {
        **point._asdict(), "ms": 1e3 * median, "least_ms": 1e3 * min(seconds), "most_ms": 1e3 * max(seconds),
        "faster": one / median, "efficiency": one / median / point.ranks, "sums": found["sums"],
        "bytes": found["bytes"], "ring_bytes": ring_bytes(found["bytes"], point.ranks), "off": found["off"],
    }  # fmt: skip


def cells(found: dict[str, Any]) -> list[Any]:
    """Return a row of the table."""
    how = "ranks alike" if found["ranks"] > 1 else ""
    if found["off"]:
        how = f"as one rank, to {max(found['off'].values()):.0e}"
    return [
        found["ranks"], "yes" if found["sync_bn"] else "", found["ms"],
        f"{found['least_ms']:.0f}-{found['most_ms']:.0f}", f"{found['faster']:.2f}", f"{found['efficiency']:.0%}",
        f"{found['sums']:g}", f"{found['bytes'] / 1e6:.1f}", f"{found['ring_bytes'] / 1e6:.1f}", how,
    ]  # fmt: skip
