"""resnet: residual networks after SNGAN (Miyato et al., 2018, appendix B.4) and BigGAN (Brock et al., 2019).

G at 64x64x3:  100 -> 4x4x512 -> 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x32 -> 64x64x3
D:             64x64x3 -> 32x32x64 -> 16x16x128 -> 8x8x256 -> 4x4x512 -> 512 (sum of each map) -> 1

An arrow between maps is a residual block: two 3x3 convolutions beside a 1x1 convolution, whose results are added. G
doubles maps by nearest upsampling, with batch norm; D halves them by average pooling, with spectral norm and without a
norm of its activations. Maps are halved rounding up, so every picture size works.

SNGAN's own training is  --loss hinge --ratio 5:1 --fresh-z --beta1 0 --beta2 0.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcgan.options import Size
from dcgan.presets.parts import INITS, area, colours, halvings, norm, picture
from dcgan.presets.preset import OF_BATCHNORM, Preset
from dcgan.presets.variants import norm_of, require_pixels, spectral
from gpunet.layers import (
    AveragePool,
    Conv2d,
    Flatten,
    GlobalSumPool,
    Layer,
    Linear,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Upsample,
)

if TYPE_CHECKING:
    from dcgan.config import Config

WIDEST = 16  # the widest map has at most this many times the filters of the one next to the pictures


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C)."""
    sizes, filters = ladder(config)
    numbers = area(sizes[0], filters[0])
    layers: list[Layer] = [Flatten(), Linear(config.z_dim, numbers), Reshape((*sizes[0], filters[0]))]
    for wide, narrow, size in zip(filters, filters[1:], sizes[1:], strict=False):
        layers.append(up(config, wide, narrow, size))
    last = Conv2d(filters[-1], colours(config), 3, padding=1)
    return Sequential(*layers, norm(config, filters[-1]), ReLU(), last, picture(config))


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1)."""
    filters = [colours(config), *ladder(config)[1][-2::-1]]
    blocks = [down(config, *pair, first=i == 0) for i, pair in enumerate(zip(filters, filters[1:], strict=False))]
    return Sequential(*blocks, *norm_of(config, filters[-1]), ReLU(), GlobalSumPool(), *_dense(config, filters[-1]))


def ladder(config: Config) -> tuple[list[Size], list[int]]:
    """Return the sizes of the maps and their filters, from the smallest, of 4 to 8 pixels, to the pictures' own.

    64x64 with width 32 is 4x4x512, 8x8x256, 16x16x128, 32x32x64 and 64x64x32.
    """
    doublings = max(1, max(config.image_size).bit_length() - 3)
    filters = [config.width * min(2**k, WIDEST) for k in reversed(range(doublings + 1))]
    return halvings(config.image_size, doublings), filters


def up(config: Config, channels: int, filters: int, size: Size) -> Residual:
    """Return G's block, which doubles a map to this size.

    The shortcut's 1x1 convolution comes before the upsampling: the same numbers for a quarter of the work.
    """
    branch = Sequential(
        norm(config, channels), ReLU(), Upsample(size), Conv2d(channels, filters, 3, padding=1, bias=False),
        norm(config, filters), ReLU(), Conv2d(filters, filters, 3, padding=1),
    )  # fmt: skip
    return Residual(branch, Sequential(Conv2d(channels, filters, 1), Upsample(size)))


def down(config: Config, channels: int, filters: int, first: bool) -> Residual:
    """Return D's block, which halves a map; the first one gets pictures, which no ReLU must cut off.

    The shortcut's average pooling comes before the 1x1 convolution: the same numbers for a quarter of the work.
    """
    begin = [] if first else [*norm_of(config, channels), ReLU()]
    convolutions = Conv2d(channels, filters, 3, padding=1), Conv2d(filters, filters, 3, padding=1)
    one, two, beside = _wrapped(config, *convolutions, Conv2d(channels, filters, 1))
    branch = Sequential(*begin, one, *norm_of(config, filters), ReLU(), two, AveragePool())
    return Residual(branch, Sequential(AveragePool(), beside))


def _dense(config: Config, channels: int) -> list[Layer]:
    return _wrapped(config, Linear(channels, 1))


def _wrapped(config: Config, *layers: Layer) -> list[Layer]:
    return [spectral(layer) if config.spectral_norm else layer for layer in layers]


PRESET = Preset(
    summary="residual blocks after SNGAN: any size, spectral norm in D, nearest upsampling",
    generator=generator,
    discriminator=discriminator,
    initialise=INITS["glorot"],
    settings={"width": 32, "spectral_norm": True, "norm_d": "none"},
    follows=("output", "norm_d", "spectral_norm", *OF_BATCHNORM),
    check=lambda config: require_pixels(discriminator, config),
)
