"""Options of the machine: where and how exactly a run computes."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option

# The words that options take stand here, and not where they are used, so that --help loads no networks;
# tests/dcgan/test_config.py checks that both agree.
IMPLEMENTATIONS = ("kernels", "reference")  # of gpunet.backend, as the next two lines
PRECISIONS = ("fp32", "tf32x3", "tf32", "bf16", "fp16")
CONVOLUTIONS = ("auto", "direct", "winograd2", "winograd4", "wgmma")


def _is_count(text: str) -> bool:
    """Return whether a text is a number of ranks."""
    return text.isdecimal() and len(text) < 7 and int(text) > 0


@dataclass(frozen=True)
class Machine:
    """The options that --help shows as "machine"."""

    device: str = option(
        "auto",
        options.choice("auto", "cpu", "cuda"),
        "where to compute: cpu, cuda (the GPU), or auto, the GPU if there is one",
        "NAME",
    )
    implementation: str | None = option(
        None,
        options.choice(*IMPLEMENTATIONS),
        "code that computes: kernels (our CUDA sources; the default if there is a compiler) or reference (array code)",
        "NAME",
    )
    precision: str | None = option(
        None,
        options.choice(*PRECISIONS),
        "rounding of what is multiplied: fp32, tf32x3 (float's digits on tensor cores), tf32, bf16 or fp16; the "
        "default is tf32 on GPUs that have it, else fp32",
        "NAME",
    )
    conv: str = option(
        "auto",
        options.choice(*CONVOLUTIONS),
        "algorithm of convolutions: direct, winograd2 or winograd4 (fewer products, in tiles of 2x2 or 4x4), wgmma "
        "(kernels for Hopper GPUs, which no GPU has run yet; with --precision bf16 or fp16), or auto",
        "NAME",
    )
    graph: bool = option(True, options.flag, "replay the training step as one CUDA graph, on a GPU")
    ranks: str = option(
        "auto",
        options.Word(("auto", "none"), also=_is_count, other="the number of processes that were started, at least 1"),
        "processes that share the work: auto (as many as mpirun or srun has started), none (each works on its own), or "
        "their number, which is checked",
        "NAME|N",
    )
