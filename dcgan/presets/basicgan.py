"""basicgan: the dense GAN that fabulousjeong/dcgan-tensorflow compares its DCGAN with.

G at 64x64x3:  100 -> 256 -> 64x64x3       3,183,872 parameters
D:             64x64x3 -> 256 -> 1         3,146,241

One hidden layer with ReLU in either network, no convolution and no batch norm: what DCGAN improves on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dcgan.presets.parts import area, colours, initialise, picture
from dcgan.presets.preset import Preset
from dcgan.presets.tf_nw import TRAINING
from gpunet.init import normal
from gpunet.layers import Flatten, Layer, Linear, ReLU, Reshape, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C)."""
    size, channels = config.image_size, colours(config)
    hidden, last = Linear(config.z_dim, config.width), Linear(config.width, area(size, channels))
    return Sequential(Flatten(), hidden, ReLU(), last, Reshape((*size, channels)), picture(config))


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1)."""
    hidden = Linear(area(config.image_size, colours(config)), config.width)
    return Sequential(Flatten(), hidden, ReLU(), Linear(config.width, 1))


def start(net: Layer, rng: np.random.Generator) -> None:
    """Weights N(0, 0.01^2), biases 0."""
    initialise(net, rng, normal(0.01))


PRESET = Preset(
    summary="the dense baseline: one hidden layer of 256 in either network",
    generator=generator,
    discriminator=discriminator,
    initialise=start,
    settings={**TRAINING, "width": 256},
    follows=("output",),
)
