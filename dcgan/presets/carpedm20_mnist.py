"""carpedm20-mnist: carpedm20/DCGAN-tensorflow's label-conditional network for MNIST, 28x28x1 and ten digits.

Every stage is told the label: as ten more numbers of a vector, as ten more channels of a map, one of them 1.

G   110 -> 1024 -> +10 -> 7x7x128 -> +10 = 138 -> 14x14x128 -> +10 -> 28x28x1 (sigmoid)          7,065,211 parameters
D   28x28x1 -> +10 -> 14x14x11 -> +10 -> 7x7x74 -> 3626 -> +10 -> 1024 -> +10 -> 1               3,769,479

Pictures are numbers in [0, 1] here, and are written as such: the original's grids came out grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.presets.carpedm20 import SETTINGS, start
from dcgan.presets.conditional import joined, projected
from dcgan.presets.parts import area, colours, halvings, norm, picture
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    JoinLabels,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
)

if TYPE_CHECKING:
    from dcgan.config import Config

DIGITS = 10


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) and labels (N,) -> pictures (N, H, W, C) in [0, 1]."""
    labels, w, bias = config.classes or DIGITS, config.width, config.bias
    quarter, half, whole = halvings(config.image_size, 2)
    numbers = area(quarter, 2 * w)
    return Sequential(
        Flatten(),
        JoinLabels(labels), Linear(config.z_dim + labels, 16 * w, bias), norm(config, 16 * w), ReLU(),
        JoinLabels(labels), Linear(16 * w + labels, numbers, bias), norm(config, numbers), ReLU(),
        Reshape((*quarter, 2 * w)),
        JoinLabels(labels), ConvTranspose2d(2 * w + labels, 2 * w, 5, 2, "same", half, bias),
        norm(config, 2 * w), ReLU(),
        JoinLabels(labels), ConvTranspose2d(2 * w + labels, colours(config), 5, 2, "same", whole, bias),
        picture(config),
    )  # fmt: skip


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) and labels (N,) -> logits (N, 1).

    With --conditional projection its layers are told no labels, and have as many filters all the same.
    """
    labels, w, bias = config.classes or DIGITS, config.width, config.bias
    seen, wide = colours(config) + labels, w + labels  # filters of the two convolutions, as the original counts them
    numbers = area(halvings(config.image_size, 2)[0], wide)
    net = Sequential(
        Conv2d(colours(config), seen, 5, 2, "same", bias), LeakyReLU(0.2),
        Conv2d(seen, wide, 5, 2, "same", bias), norm(config, wide), LeakyReLU(0.2),
        Flatten(),
        Linear(numbers, 16 * w, bias), norm(config, 16 * w), LeakyReLU(0.2),
        Linear(16 * w, 1, bias),
    )  # fmt: skip
    return projected(net, labels) if config.conditional == "projection" else joined(net, labels)


PRESET = Preset(
    summary="carpedm20/DCGAN-tensorflow on labelled digits: pictures of a wanted class",
    generator=generator,
    discriminator=discriminator,
    initialise=start,
    settings={**SETTINGS, "image_size": (28, 28), "channels": 1, "output": "sigmoid", "samples": 100},
    follows=("bias", "output", "conditional", "classes", *OF_BATCHNORM),
    conditional=True,
)
