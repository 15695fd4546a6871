"""The two networks of the `dcgan64` preset: those of pytorch/examples (dcgan/main.py), for any size that halves.

Radford et al. (2016): strided convolutions instead of pooling, batch norm everywhere but at G's output and D's input,
ReLU in G with tanh at the end, LeakyReLU in D, no dense layers. All arrays are (N, H, W, C).
"""

from __future__ import annotations

import math

import numpy as np

from dcgan.errors import UserError
from gpunet import init
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, Layer, LeakyReLU, ReLU, Sequential, Tanh

Size = tuple[int, int]
WIDEST = 16  # the widest layer has at most this many times the filters of the one next to the pictures


def generator(image_size: Size, channels: int, z_dim: int, width: int) -> Sequential:
    """Return G: z (N, 1, 1, z_dim) -> pictures (N, H, W, channels) in [-1, 1].

    Raises UserError where `ladder` cannot build the size. 64x64x3, z 100, width 64: 3,576,704 parameters.
    """
    base, filters = ladder(image_size, width)
    layers: list[Layer] = [  # 64 x 64 pictures, width w:        1 x  1 x z_dim
        ConvTranspose2d(z_dim, filters[0], base, bias=False),  # 4 x  4 x 8w
        BatchNorm(filters[0]),
        ReLU(),
    ]
    for wide, narrow in zip(filters, filters[1:], strict=False):  # 8 x 8 x 4w, 16 x 16 x 2w, 32 x 32 x w
        layers += [ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False), BatchNorm(narrow), ReLU()]
    layers += [ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False), Tanh()]  # 64 x 64 x channels
    return Sequential(*layers)


def discriminator(image_size: Size, channels: int, width: int) -> Sequential:
    """Return D: pictures (N, H, W, channels) -> logits (N, 1, 1, 1), G's ladder walked back.

    Raises UserError where `ladder` cannot build the size. 64x64x3, width 64: 2,765,568 parameters.
    """
    base, filters = ladder(image_size, width)
    filters = filters[::-1]
    layers: list[Layer] = [  # 64 x 64 pictures, width w:                                      64 x 64 x channels
        Conv2d(channels, width, 4, stride=2, padding=1, bias=False),  # 32 x 32 x w
        LeakyReLU(0.2),
    ]
    for narrow, wide in zip(filters, filters[1:], strict=False):  # 16 x 16 x 2w, 8 x 8 x 4w, 4 x 4 x 8w
        layers += [Conv2d(narrow, wide, 4, stride=2, padding=1, bias=False), BatchNorm(wide), LeakyReLU(0.2)]
    layers += [Conv2d(filters[-1], 1, base, bias=False)]  # 1 x 1 x 1
    return Sequential(*layers)


def initialise(net: Layer, rng: np.random.Generator) -> None:
    """Draw the weights from N(0, 0.02^2) and the batch norm scales from N(1, 0.02^2); shifts are 0."""
    init.apply(net, rng, weight=init.normal(0.02), scale=init.normal(0.02, mean=1.0), shift=init.constant(0.0))


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
