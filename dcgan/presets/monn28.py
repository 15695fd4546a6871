"""monn28: Dominic Monn's faces of 28x28 (dmonn/dcgan-oreilly).

G:  100 -> 2x2x512 -> 7x7x256 (VALID) -> 14x14x128 -> 28x28x3                          4,314,627 parameters
D:  28x28x3 -> 14x14x64 -> 7x7x128 -> 7x7x256 (stride 1) -> 1                          1,042,561

5x5 kernels with biases, LeakyReLU in both networks, Glorot's weights, and 0.9 instead of 1 as the target of D's real
pictures and of G. The original flattened D's 7x7x256 map as if it were 4x4x256: 49 logits for 16 pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.errors import UserError
from dcgan.options import Size
from dcgan.presets.parts import INITS, area, colours, halvings, norm, picture
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.layers import Conv2d, ConvTranspose2d, Flatten, Layer, LeakyReLU, Linear, Reshape, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C)."""
    w, bias = config.width, config.bias
    base, quarter, half, whole = sizes(config.image_size)
    layers: list[Layer] = [Flatten(), Linear(config.z_dim, area(base, 8 * w), bias=bias), Reshape((*base, 8 * w))]
    layers += [norm(config, 8 * w), LeakyReLU(0.2)]
    layers += [ConvTranspose2d(8 * w, 4 * w, 5, 2, "valid", quarter, bias), norm(config, 4 * w), LeakyReLU(0.2)]
    layers += [ConvTranspose2d(4 * w, 2 * w, 5, 2, "same", half, bias), norm(config, 2 * w), LeakyReLU(0.2)]
    return Sequential(*layers, ConvTranspose2d(2 * w, colours(config), 5, 2, "same", whole, bias), picture(config))


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1)."""
    w, bias = config.width, config.bias
    layers: list[Layer] = [Conv2d(colours(config), w, 5, 2, "same", bias), LeakyReLU(0.2)]
    layers += [Conv2d(w, 2 * w, 5, 2, "same", bias), norm(config, 2 * w), LeakyReLU(0.2)]
    layers += [Conv2d(2 * w, 4 * w, 5, 1, "same", bias), norm(config, 4 * w), LeakyReLU(0.2)]
    return Sequential(*layers, Flatten(), Linear(area(sizes(config.image_size)[1], 4 * w), 1, bias=bias))


def sizes(image_size: Size) -> list[Size]:
    """Return the ladder 2x2, 7x7, 14x14, 28x28 of a picture size. Raises UserError below 17 pixels."""
    if min(image_size) < 17:
        raise UserError(f"this network cannot make pictures of {image_size[0]}x{image_size[1]}: sides have to be 17 up")
    ladder = halvings(image_size, 2)
    height, width = ((side - 5) // 2 + 1 for side in ladder[0])  # what a 5x5 kernel without padding leaves of it
    return [(height, width), *ladder]


PRESET = Preset(
    summary="dmonn/dcgan-oreilly: 28x28 faces, smoothed targets, batches of 16",
    generator=generator,
    discriminator=discriminator,
    initialise=INITS["glorot"],
    settings={
        "image_size": (28, 28),
        "crop_larger": (108, 108),
        "bias": True,
        "bn_momentum": 0.01,
        "bn_eps": 1e-3,
        "z_dist": "uniform",
        "batch_size": 16,
        "epochs": 2,
        "real_target": 0.9,
        "generator_target": 0.9,
        "sample_every": 400,
        "checkpoint_every": "1ep",
    },
    follows=("bias", "output", *OF_BATCHNORM),
    check=lambda config: sizes(config.image_size),
)
