"""Check that training with 16 bits between layers goes the way of float32: losses, over the seeds of trainings.

    python -m benchmarks.storage
    python -m benchmarks.storage --steps 1000 --width 16 --seeds 5 --formats bf16

Under bf16 and fp16 convolutions multiply 16-bit numbers, and what layers hand over and keep has 16 bits as well
(gpunet/backend/factors.py). The command trains dcgan64 on the built-in faces in float32 and in each format, from
several seeds. The CPU imitates the tensor cores bit for bit, which is slow; so the networks and the pictures are small.
The losses are compared as benchmarks/losses.py compares them: averaged over windows of steps and over the seeds, a
format may differ by at most four standard errors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np

from benchmarks import losses
from dcgan import quick, session
from dcgan.config import Config
from dcgan.data.source import Source
from dcgan.gan import GAN
from dcgan.presets import config_of
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend

FORMATS = "bf16", "fp16"


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and print the table; return 1 where a format differs from float32 by more than the seeds explain."""
    options = parsed(arguments)
    source, curves = session.open_data(config_for(options, "fp32"), progress=False), dict[str, np.ndarray]()
    for precision in ("fp32", *options.formats):
        config = config_for(options, precision)
        curves[precision] = np.stack([trained(config, source, seed) for seed in range(options.seeds)])
    lines, strays = losses.compare({"direct": curves.pop("fp32"), **curves}, options.window)
    small = f"width {options.width}, {options.image_size}x{options.image_size} pictures, batch {options.batch_size}"
    what = f"dcgan64 on built-in faces, {small}, {options.seeds} seeds; direct is float32"
    return losses.report(what, lines, strays)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--steps", type=int, default=300, help="steps of each training (300)")
    add("--window", type=int, default=100, help="steps over which a loss is averaged (100)")
    add("--seeds", type=int, default=3, help="trainings of each format (3)")
    add("--width", type=int, default=8, help="filters of the networks' first layer (8)")
    add("--image-size", type=int, default=16, help="sides of the pictures (16)")
    add("--batch-size", type=int, default=8, help="pictures per step (8)")
    add("--formats", nargs="+", metavar="NAME", choices=FORMATS, default=FORMATS, help="those beside float32 (both)")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds: got {options.seeds}, expected at least 2: one training has no spread to compare with")
    quick.cap(options, steps=2, window=2, batch_size=4, seeds=2)
    return options


def config_for(options: argparse.Namespace, precision: str) -> Config:
    """Return the options of the trainings in one format."""
    given = {"width": options.width, "image_size": options.image_size, "batch_size": options.batch_size}
    return config_of({**given, "steps": options.steps, "precision": precision, "z_dim": 16})


def trained(config: Config, source: Source, seed: int) -> np.ndarray:
    """Return the losses (steps, 2) of one training: weights, pictures and z are those of the seed in every format."""
    rng, curve = np.random.default_rng(seed), []
    way = "auto" if config.precision == "fp32" else "mma"
    with backend.use("kernels"), backend.use_conv(way), backend.use_precision(config.precision):
        stepper = Stepper(GAN(config, rng, "cpu"), "cpu", graph=False)
        for number in range(1, config.steps + 1):
            images = source.batch(rng.integers(0, len(source), config.batch_size))
            stats = stepper(number, Inputs(images, [draw_z(rng, config.batch_size, config)]))
            curve.append([float(stats[name]) for name in losses.LOSSES])
    return np.array(curve)


if __name__ == "__main__":
    sys.exit(main())
