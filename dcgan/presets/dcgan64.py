"""dcgan64: the networks of pytorch/examples (dcgan/main.py), for any size that halves.

Radford et al. (2016): strided convolutions instead of pooling, batch norm everywhere but at G's output and D's input,
ReLU in G with tanh at the end, LeakyReLU in D, no dense layers. All arrays are (N, H, W, C).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dcgan.errors import UserError
from dcgan.options import Size
from dcgan.presets.parts import colours, dcgan_init, norm, picture
from dcgan.presets.preset import OF_BATCHNORM, Preset
from gpunet.layers import Conv2d, ConvTranspose2d, Layer, LeakyReLU, ReLU, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config

WIDEST = 16  # the widest layer has at most this many times the filters of the one next to the pictures


def generator(config: Config) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, C) in [-1, 1]; 3,576,704 parameters at 64x64x3."""
    base, filters = ladder(config.image_size, config.width)
    bias = config.bias
    layers: list[Layer] = [  # 64 x 64 pictures, width w:                1 x  1 x z_dim
        ConvTranspose2d(config.z_dim, filters[0], base, bias=bias),  # 4 x  4 x 8w
        norm(config, filters[0]),
        ReLU(),
    ]
    for wide, narrow in zip(filters, filters[1:], strict=False):  # 8 x 8 x 4w, 16 x 16 x 2w, 32 x 32 x w
        layers += [ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=bias), norm(config, narrow), ReLU()]
    layers += [ConvTranspose2d(filters[-1], colours(config), 4, stride=2, padding=1, bias=bias), picture(config)]
    return Sequential(*layers)


def discriminator(config: Config) -> Sequential:
    """Return D: pictures (N, H, W, C) -> logits (N, 1, 1, 1), G's ladder walked back; 2,765,568 parameters."""
    base, filters = ladder(config.image_size, config.width)
    filters, bias = filters[::-1], config.bias
    layers: list[Layer] = [  # 64 x 64 pictures, width w:                                    64 x 64 x C
        Conv2d(colours(config), filters[0], 4, stride=2, padding=1, bias=bias),  # 32 x 32 x w
        LeakyReLU(0.2),
    ]
    for narrow, wide in zip(filters, filters[1:], strict=False):  # 16 x 16 x 2w, 8 x 8 x 4w, 4 x 4 x 8w
        layers += [Conv2d(narrow, wide, 4, stride=2, padding=1, bias=bias), norm(config, wide), LeakyReLU(0.2)]
    layers += [Conv2d(filters[-1], 1, base, bias=bias)]  # 1 x 1 x 1
    return Sequential(*layers)


def ladder(image_size: Size, width: int) -> tuple[Size, list[int]]:
    """Return the smallest map (BH, BW) and the filters of the maps from it up to the one next to the pictures.

    A size (H, W) is (BH 2^n, BW 2^n) with the longer side of the base 4 to 7: 64x64 is 4x4 doubled 4 times, 64x32 is
    4x2, 28x28 is 7x7 doubled twice. Raises UserError naming the nearest size for one that does not halve so.

    >>> ladder((64, 64), 64)
    ((4, 4), [512, 256, 128, 64])
    """
    doublings = max(image_size).bit_length() - 3  # 4..7 has 3 bits
    if doublings < 1 or any(side % 2**doublings for side in image_size):
        height, width = nearest_size(image_size)
        raise UserError(
            f"this network cannot make pictures of {image_size[0]}x{image_size[1]}: sides have to halve evenly down to "
            f"a map of at most 7x7; the nearest that works is --image-size {height}x{width}"
        )
    base = (image_size[0] >> doublings, image_size[1] >> doublings)
    return base, [width * min(2**k, WIDEST) for k in reversed(range(doublings))]


def nearest_size(image_size: Size) -> Size:
    """Return the size that `ladder` accepts with the smallest change of height and width together."""
    sizes = [
        (high << n, wide << n)
        for n in range(1, 14)
        for high, wide in [[min(max(round(side / 2**n), 1), 7) for side in image_size]]
        if max(high, wide) >= 4
    ]
    sizes += [(8, 8)]
    return min(sizes, key=lambda size: math.dist(size, image_size))


PRESET = Preset(
    summary="pytorch/examples: 4x4 kernels, no biases, one D and one G step per batch",
    generator=generator,
    discriminator=discriminator,
    initialise=dcgan_init,
    follows=("bias", "output", *OF_BATCHNORM),
    check=lambda config: ladder(config.image_size, config.width),
)
