"""The least time that each GPU model needs for the operations of a training step (benchmarks/measure/work.py).

The limit is that of the roofline model (Williams, Waterman & Patterson, 2009), not a measurement. An operation takes at
least as long as its FLOPs at the peak rate, and at least as long as its bytes at the peak bandwidth of the device
memory; the longer of the two counts. Caches are left out: every array is read or written once per use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.measure.text_table import table
from benchmarks.measure.work import Work
from benchmarks.static.gpus import GPUS, Gpu


def peak(gpu: Gpu, work: Work, precision: str) -> float:
    """Return the peak FLOP/s of a GPU for this work: the tensor cores' if they do it, else float32's."""
    return 1e12 * ((getattr(gpu, precision) if work.product else 0) or gpu.fp32)


def limit(gpu: Gpu, work: Work, precision: str) -> float:
    """Return the least seconds that the work takes once on a GPU."""
    return max(work.flops / peak(gpu, work, precision), work.bytes / (gpu.bandwidth * 1e9))


def memory_bound(gpu: Gpu, work: Work, precision: str) -> bool:
    """Return whether the memory sets the limit, not the arithmetic."""
    return work.bytes / (gpu.bandwidth * 1e9) >= work.flops / peak(gpu, work, precision)


def limits_table(work: Sequence[Work], gpus: Sequence[Gpu], precision: str, markdown: bool) -> str:
    """Return one row per operation with its limits in microseconds, and the sums over a training step."""
    head = ["operation", "uses", "MFLOP", "MB", "FLOP/byte", *(gpu.name for gpu in gpus)]
    rows: list[list[Any]] = []
    for w in work:
        times = [f"{limit(g, w, precision) * 1e6:.1f}{'m' if memory_bound(g, w, precision) else 'a'}" for g in gpus]
        rows.append([w.name, w.uses, w.flops / 1e6, w.bytes / 1e6, w.flops / w.bytes, *times])
    flops, size = sum(w.uses * w.flops for w in work), sum(w.uses * w.bytes for w in work)
    total = [f"{sum(w.uses * limit(gpu, w, precision) for w in work) * 1e6:.0f}" for gpu in gpus]
    return table(head, [*rows, ["training step", "", flops / 1e6, size / 1e6, flops / size, *total]], markdown)


def limits_as_json(work: Sequence[Work], batch: int, precision: str) -> list[dict[str, Any]]:
    """Return the operations with their limits in seconds on every GPU."""
    setting = {"batch": batch, "precision": precision}
    return [w._asdict() | setting | {"seconds": {g.name: limit(g, w, precision) for g in GPUS}} for w in work]
