"""carpedm20: carpedm20/DCGAN-tensorflow without labels, for pictures of any size.

G at 64x64x3:  100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x3           5,135,363 parameters
D:             64x64x3 -> 32x32x64 -> 16x16x128 -> 8x8x256 -> 4x4x512 -> 1             4,316,545

Half the paper's filters, a bias in every layer, and two G steps per D step with the same z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcgan.presets import kernel5
from dcgan.presets.parts import initialise
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.init import normal, truncated_normal
from gpunet.layers import Layer, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C)."""
    w = config.width
    return kernel5.generator(config, [8 * w, 4 * w, 2 * w, w], dense_bias=config.bias)


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1)."""
    w = config.width
    return kernel5.discriminator(config, [w, 2 * w, 4 * w, 8 * w], dense_bias=config.bias)


def start(net: Layer, rng: np.random.Generator) -> None:
    """Convolutions start from a truncated normal, transposed ones and dense layers from a normal, sd 0.02 all."""
    initialise(net, rng, conv=truncated_normal(0.02), transposed=normal(0.02), linear=normal(0.02))


SETTINGS = {
    "bias": True,
    "z_dist": "uniform",
    "ratio": (1, 2),
    "sample_every": 200,
    "checkpoint_every": 200,
}

PRESET = Preset(
    summary="carpedm20/DCGAN-tensorflow: any size, biases, two G steps per D step",
    generator=generator,
    discriminator=discriminator,
    initialise=start,
    settings=SETTINGS,
    follows=("bias", "padding", "projection_norm", "output", *OF_BATCHNORM),
)
