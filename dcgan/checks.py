"""What is known to be wrong with a config before anything is opened, compiled or computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dcgan import launch, losses, penalties, presets
from dcgan.config import Config
from dcgan.data.formats.recognise import split
from dcgan.data.limits import default_memory_limit
from dcgan.data.share import require_equal
from dcgan.errors import UserError
from dcgan.measuring import best
from dcgan.run import tensorboard
from gpunet import backend, distributed


def check(config: Config) -> None:
    """Raise UserError for what is known to be wrong before anything is opened, compiled or computed."""
    presets.find(config.preset).check(config)
    losses.check(config)
    penalties.check(config)
    if config.tensorboard:
        tensorboard.require()
    best.check(config)
    if config.data:
        split(config.data)
    _require_memory(config)
    _require_ranks(config)
    size = distributed.ranks().size
    if config.batch_size == size and (size == 1 or not config.sync_bn):
        _require_rows(config)


def _require_memory(config: Config) -> None:
    """Raise UserError where a batch and a sample grid alone are more than this machine's memory."""
    (height, width), numbers = config.image_size, config.samples + config.pictures_per_step
    least = numbers * (height * width + 4 * config.z_dim)  # bytes: pictures of one channel, uint8, and float32 z
    memory = 4 * default_memory_limit()
    if least > memory:
        raise UserError(
            f"--image-size {height}x{width}, --z-dim {config.z_dim}, --samples {config.samples} and --batch-size "
            f"{batch_text(config)} need over {least / 2**30:,.0f} GiB of memory; here are {memory / 2**30:,.0f}"
        )


def _require_ranks(config: Config) -> None:
    """Raise UserError where there are other ranks than --ranks says, or a batch cannot be shared out among them."""
    size = distributed.ranks().size
    if config.ranks == "none" and size > 1:
        raise UserError("--ranks: a file says none, but several run: give --ranks none or auto on the command line")
    launch.require_count(config.ranks, size)
    require_equal(config.batch_size, size)


def batch_text(config: Config) -> str:
    """Return the pictures of a step as the options ask for them: "64", or "64 with --accumulate 4"."""
    more = f" with --accumulate {config.accumulate}" if config.accumulate > 1 else ""
    return f"{config.batch_size}{more}"


def _require_rows(config: Config) -> None:
    """Raise UserError where batch norm would get one row of numbers: over one row every number is its own mean."""
    preset, settled = presets.find(config.preset), replace(config, classes=config.classes or 2)
    z, picture = (1, 1, 1, config.z_dim), (1, *config.image_size, config.channels or 3)
    for net, shape in ((preset.generator(settled), z), (preset.discriminator(settled), picture)):
        try:
            with backend.use("reference"), net.given(np.zeros(1, "int32")):
                net.forward(np.zeros(shape, "float32"))
        except ValueError as error:
            expected = f"with --preset {config.preset} expected 2 or more"
            each = "" if config.batch_size == 1 else f", which is 1 for each of {config.batch_size} ranks"
            raise UserError(f"--batch-size: got {config.batch_size}{each}, {expected}: {error}") from error
