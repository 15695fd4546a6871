"""paper: the network of Radford et al. (2016), figure 1: 1024 filters wide, 5x5 kernels, batch norm, no biases.

G at 64x64x3:  100 -> 4x4x1024 -> 8x8x512 -> 16x16x256 -> 32x32x128 -> 64x64x3         18,855,040 parameters
D, mirrored:   64x64x3 -> 32x32x128 -> 16x16x256 -> 8x8x512 -> 4x4x1024 -> 1           17,232,768

Newmu's faces code, the authors' own, differs from the text. These options are all of it but the fall of Adam's beta1:
    --projection-norm feature --padding symmetric --sampling-statistics batch --bn-eps 1e-8
    --l2 1e-5 --fresh-z --alternate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.presets import kernel5
from dcgan.presets.parts import dcgan_init
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.layers import Sequential

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


PRESET = Preset(
    summary="Radford et al., 2016: 1024 filters, 5x5 kernels, batches of 128",
    generator=generator,
    discriminator=discriminator,
    initialise=dcgan_init,
    settings={
        "width": 128,
        "z_dist": "uniform",
        "batch_size": 128,
        "sample_every": "1ep",
        "checkpoint_every": "1ep",
    },
    follows=("bias", "padding", "projection_norm", "output", *OF_BATCHNORM),
)
