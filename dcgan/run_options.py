"""Where a run computes, and what it leaves in its folder: the part of Config that changes none of its pictures."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.data_options import DataOptions
from dcgan.options import option


@dataclass(frozen=True)
class RunOptions(DataOptions):
    """Device, implementation and precision; folders, cadences and what is kept."""

    device: str = option("auto", options.choice("auto", "cpu", "cuda"), "auto, cpu or cuda", "NAME")
    implementation: str | None = option(
        None, options.choice("kernels", "reference"), "kernels (our CUDA sources) or reference (array code)", "NAME"
    )
    precision: str | None = option(
        None, options.choice("fp32", "tf32", "bf16", "fp16"), "of products (tf32 on GPUs with it, else fp32)", "NAME"
    )
    conv: str = option(
        "auto",
        options.choice("auto", "direct", "winograd2", "winograd4"),
        "convolutions: direct, winograd2 or winograd4 (fewer products, in tiles of 2x2 or 4x4), or auto",
        "NAME",
    )
    graph: bool = option(True, options.flag, "on cuda, replay the training step as one CUDA graph")
    out: str = option("runs", options.text, "where run folders are made", "DIR")
    samples: int = option(64, options.integer(1), "pictures in a sample grid")
    real_grids: bool = option(False, options.flag, "beside every sample grid, one of the step's real pictures")
    tensorboard: bool = option(False, options.flag, "write event files too: numbers, histograms and sample grids")
    sample_every: int | str = option(200, options.cadence, "a sample grid every N steps or epochs", "N|Nep")
    checkpoint_every: int | str = option(500, options.cadence, "a checkpoint every N steps or epochs", "N|Nep")
    keep: int = option(3, options.integer(1), "how many of the newest checkpoints stay")
