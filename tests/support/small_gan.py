"""A small GAN whose D has no batch norm, for the tests of losses and penalties."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcgan.config import Config
from dcgan.gan import GAN
from gpunet import layers
from gpunet.optim import Adam

BATCH = 4


def make_gan(device: str = "cpu", dtype: str = "float64", **given: Any) -> GAN:
    """Return it with the weights of seeds 1 and 2; given: further options."""
    config = Config(width=2, z_dim=3, image_size=8, channels=1, batch_size=BATCH, lr=1e-2, **given)
    gan = GAN(config, np.random.default_rng(1), device)
    rng, conv = np.random.default_rng(2), layers.Conv2d
    gan.D = layers.Sequential(conv(1, 3, 4, 2, 1), layers.LeakyReLU(0.2), conv(3, 1, 4))
    for parameter in gan.D.parameters():
        parameter.data[...] = rng.standard_normal(parameter.data.shape) / 2
    for name in "GD":
        net = getattr(gan, name).to(device, dtype)
        setattr(gan, f"adam_{name}", Adam(net.parameters(), config.lr, (0.5, 0.999)))
    gan.average_G = None
    return gan
