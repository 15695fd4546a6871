"""The ladder of 5x5 kernels and stride 2 that `paper`, `carpedm20`, `mydcgan` and `tf-nw` share.

    G   z -> dense -> smallest map -> transposed convolutions, each doubling the map -> pictures
    D   pictures -> convolutions, each halving the map -> dense -> logit

Maps are halved rounding up, and transposed convolutions are told their output size, so every picture size works:
28 -> 14 -> 7 -> 4 -> 2. Batch norm everywhere but at G's output and D's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dcgan.options import Size
from dcgan.presets.parts import area, colours, halvings, norm, picture
from gpunet.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Layer,
    LeakyReLU,
    Linear,
    ReLU,
    Reshape,
    Sequential,
)

if TYPE_CHECKING:
    from dcgan.config import Config


def generator(config: Config, filters: Sequence[int], dense_bias: bool) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C); filters of the maps, smallest map first."""
    base, *sizes = halvings(config.image_size, len(filters))
    layers: list[Layer] = [Flatten(), Linear(config.z_dim, area(base, filters[0]), bias=dense_bias)]
    layers += projection(config, base, filters[0])
    for wide, narrow, size in zip(filters, filters[1:], sizes, strict=False):
        layers += [up(config, wide, narrow, size), norm(config, narrow), ReLU()]
    layers += [up(config, filters[-1], colours(config), sizes[-1]), picture(config)]
    return Sequential(*layers)


def discriminator(config: Config, filters: Sequence[int], dense_bias: bool) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1); filters of the maps, largest map first."""
    layers: list[Layer] = [down(config, colours(config), filters[0]), LeakyReLU(0.2)]
    for narrow, wide in zip(filters, filters[1:], strict=False):
        layers += [down(config, narrow, wide), norm(config, wide), LeakyReLU(0.2)]
    base = halvings(config.image_size, len(filters))[0]
    return Sequential(*layers, Flatten(), Linear(area(base, filters[-1]), 1, bias=dense_bias))


def projection(config: Config, base: Size, channels: int) -> list[Layer]:
    """Return what turns the dense layer's numbers into the smallest map: normalised per channel, per number or not."""
    reshape = Reshape((*base, channels))
    if config.projection_norm == "channel":
        return [reshape, norm(config, channels), ReLU()]
    if config.projection_norm == "feature":
        return [norm(config, area(base, channels)), ReLU(), reshape]
    return [ReLU(), reshape]


def up(config: Config, channels: int, filters: int, size: Size) -> ConvTranspose2d:
    """Return a 5x5 transposed convolution of stride 2 to this size."""
    return ConvTranspose2d(channels, filters, 5, 2, _padding(config), output_size=size, bias=config.bias)


def down(config: Config, channels: int, filters: int) -> Conv2d:
    """Return a 5x5 convolution of stride 2."""
    return Conv2d(channels, filters, 5, stride=2, padding=_padding(config), bias=config.bias)


def _padding(config: Config) -> str | int:
    """TensorFlow's SAME puts 1 before and 2 behind an even size, Newmu's Theano code 2 on either side."""
    return "same" if config.padding == "same" else 2
