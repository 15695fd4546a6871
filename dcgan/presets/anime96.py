"""anime96: the AnimeGAN of chenyuntc/pytorch-book, faces of 96x96 in five layers.

G:  100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 96x96x3 (5x5, stride 3)      3,578,432 parameters
D:  96x96x3 -> 32x32x64 (5x5, stride 3) -> 16x16x128 -> 8x8x256 -> 4x4x512 -> 1        2,767,296

D learns from every batch, G from every fifth, with a new z. Weights start as PyTorch's layers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.errors import UserError
from dcgan.options import Size
from dcgan.presets.parts import colours, norm, picture, torch_init
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.layers import Conv2d, ConvTranspose2d, Layer, LeakyReLU, ReLU, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config

STEP = 24  # three doublings and a tripling


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C)."""
    w, bias, base = config.width, config.bias, smallest(config.image_size)
    layers: list[Layer] = [ConvTranspose2d(config.z_dim, 8 * w, base, bias=bias), norm(config, 8 * w), ReLU()]
    for wide, narrow in ((8 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)):
        layers += [ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=bias), norm(config, narrow), ReLU()]
    last = ConvTranspose2d(w, colours(config), 5, stride=3, padding=1, bias=bias)
    return Sequential(*layers, last, picture(config))


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1, 1, 1)."""
    w, bias, base = config.width, config.bias, smallest(config.image_size)
    layers: list[Layer] = [Conv2d(colours(config), w, 5, stride=3, padding=1, bias=bias), LeakyReLU(0.2)]
    for narrow, wide in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)):
        layers += [Conv2d(narrow, wide, 4, stride=2, padding=1, bias=bias), norm(config, wide), LeakyReLU(0.2)]
    return Sequential(*layers, Conv2d(8 * w, 1, base, bias=bias))


def smallest(image_size: Size) -> Size:
    """Return the smallest map: 4x4 at 96x96. Raises UserError for sides that are no multiples of 24."""
    if any(side % STEP for side in image_size):
        height, width = (max(STEP, STEP * round(side / STEP)) for side in image_size)
        raise UserError(
            f"this network cannot make pictures of {image_size[0]}x{image_size[1]}: sides have to be multiples of "
            f"{STEP}; the nearest that works is --image-size {height}x{width}"
        )
    return image_size[0] // STEP, image_size[1] // STEP


PRESET = Preset(
    summary="chenyuntc/pytorch-book: 96x96 faces, five D steps per G step",
    generator=generator,
    discriminator=discriminator,
    initialise=torch_init,
    settings={
        "image_size": (96, 96),
        "batch_size": 256,
        "epochs": 200,
        "ratio": (5, 1),
        "fresh_z": True,
        "sample_every": "2,6,11,21,51,101,200ep",  # its epochs 1, 5, 10, 20, 50, 100, 199, counted from 0
        "checkpoint_every": "10ep",
    },
    follows=("bias", "output", *OF_BATCHNORM),
    check=lambda config: smallest(config.image_size),
)
