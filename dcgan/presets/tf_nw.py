"""tf-nw: fabulousjeong/dcgan-tensorflow, the tutorial whose layer sizes are called n_W1 to n_W5.

G at 64x64x3:  100 -> 4x4x1024 -> 8x8x512 -> 16x16x256 -> 32x32x128 -> 64x64x3         18,868,480 parameters
D:             64x64x3 -> 32x32x64 -> 16x16x128 -> 8x8x256 -> 4x4x512 -> 1             4,314,689

No batch norm behind the projection, batch norm without a scale, biases in the dense layers only, and a learning rate
that falls to a fifth every third epoch.
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
    return kernel5.generator(config, [16 * w, 8 * w, 4 * w, 2 * w], dense_bias=True)


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1)."""
    w = config.width
    return kernel5.discriminator(config, [w, 2 * w, 4 * w, 8 * w], dense_bias=True)


def start(net: Layer, rng: np.random.Generator) -> None:
    """Convolutions of either kind start from a truncated normal of sd 0.02, dense layers from N(0, 0.01^2)."""
    initialise(net, rng, conv=truncated_normal(0.02), linear=normal(0.01))


TRAINING = {  # of basicgan, too
    "crop_larger": (108, 108),
    "batch_size": 32,
    "epochs": 20,
    "lr_schedule": "step",
    "last_batch": "wrap",
    "sample_every": 300,
    "checkpoint_every": "1ep",
}

PRESET = Preset(
    summary="fabulousjeong/dcgan-tensorflow: 1024-wide G against a 512-wide D, falling learning rate",
    generator=generator,
    discriminator=discriminator,
    initialise=start,
    settings={**TRAINING, "projection_norm": "none", "bn_scale": False, "sampling_statistics": "batch"},
    follows=("bias", "padding", "projection_norm", "output", *OF_BATCHNORM),
)
