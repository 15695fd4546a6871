"""PyTorch's compiler as a rival, which takes long to start; then wider networks and other presets."""

from __future__ import annotations

from benchmarks.gpu.racing import row
from benchmarks.gpu.sized import Settings

COMPILED = ("frozen+fused+channels_last+compiled+graph",)
OTHERS = ("dcgan64-nf128-b128", "carpedm20-nf64-b64", "paper-nf64-b64")


def run(settings: Settings) -> None:
    """Keep a row for the compiled rival in the fastest precision, then other workloads against a captured step."""
    precision = "bf16" if "bf16" in settings.precisions else "fp32"
    if settings.has_torch:
        settings.add("steps", row(settings, settings.workload(), precision, COMPILED))
    others = OTHERS if settings.full else ("basicgan-nf2-b4",)
    for name in others:
        settings.add("steps", row(settings, name, precision, ("frozen+fused+channels_last+graph",)))
