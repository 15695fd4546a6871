"""What we expect of a training step, written into the results before anything is measured. A model, no measurement.

An operation takes the longer of its FLOPs at a share of the published peak and its bytes at a share of the published
bandwidth (benchmarks/static/gpu_limits.py), and each launch adds a gap. The shares and the gap are assumptions; the
sections `ceilings` and `launches` measure what they are, and a difference between both is to be explained.

A second model, of our kernels as they are, gives a lower bound of the step. From a launch's own counts it computes how
long tensor cores, instruction issue, shared memory, L2 cache and device memory would each be busy at their peak rates.
The longest of these times counts, and the gaps are added. Latency and bank conflicts would come on top.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measure.work import Work, training_step
from benchmarks.static.gpu_limits import limit, peak
from benchmarks.static.gpus import GPUS, Gpu
from gpunet.backend import PRECISIONS

SHARES = {"fp32 products": 0.6, "tensor core products": 0.35, "memory": 0.7}
GAP = 1.2e-6  # seconds between two kernels of a graph
LAUNCHES = {"fp32": 92, "tf32x3": 69, "tf32": 61, "bf16": 61, "fp16": 65}  # of a step of dcgan64, ema 0.999
# ms: lower bounds by the second model. They were worked out by hand on 2026-11-28, from the counted instructions and
# bytes of each launch of the step; no command here makes them, so a change of the kernels does not change them.
KERNELS = {("H100 SXM", "tf32", 64): 1.039, ("H100 SXM", "bf16", 64): 0.682}
BATCHES = (64, 128)


def predicted() -> dict[str, Any]:
    """Return the assumptions and, per GPU, precision and batch of dcgan64-nf64, limit, expected time and bound."""
    steps = [
        {"gpu": gpu.name, "precision": precision, "batch": batch}
        | {"limit_ms": 1e3 * sum(w.uses * limit(gpu, w, precision) for w in work)}
        | {"predicted_ms": 1e3 * (LAUNCHES[precision] * GAP + sum(w.uses * seconds(gpu, w, precision) for w in work))}
        | ({"kernels_ms": KERNELS[key]} if (key := (gpu.name, precision, batch)) in KERNELS else {})
        for batch, work in ((batch, training_step(batch)) for batch in BATCHES)
        for gpu in GPUS
        for precision in PRECISIONS
        if precision == "fp32" or getattr(gpu, precision)
    ]
    assumed = SHARES | {"microseconds between kernels": GAP * 1e6, "launches": LAUNCHES}
    what = "a model from published peaks and assumed shares, not a measurement"
    return {"what": what, "assumed": assumed, "steps": steps}


def seconds(gpu: Gpu, work: Work, precision: str) -> float:
    """Return the seconds that the model expects of one operation."""
    kind = "tensor core products" if work.product and peak(gpu, work, precision) > 1e12 * gpu.fp32 else "fp32 products"
    return max(
        work.flops / (SHARES[kind] * peak(gpu, work, precision)), work.bytes / (SHARES["memory"] * gpu.bandwidth * 1e9)
    )


def of_device(found: dict[str, Any], device: str) -> list[dict[str, Any]]:
    """Return the rows for the GPU of this name; none where its figures are unknown."""
    words = device.replace("-", " ").split()  # "NVIDIA A100-SXM4-40GB" has the word A100
    return [row for row in found["steps"] if next(w for w in row["gpu"].split() if any(map(str.isdigit, w))) in words]
