"""Other layers in the places of a preset's own: --upsample, --norm-d, --spectral-norm, --head.

A preset is a list of layers, so a variant is a list in which some layers are exchanged. `varied` makes a preset that
reads these four options out of one that does not. With their defaults the networks are those of the preset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dcgan.errors import UserError
from dcgan.presets.parts import colours
from dcgan.presets.preset import OF_VARIANTS, Preset
from gpunet import backend
from gpunet.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAveragePool,
    InstanceNorm,
    Layer,
    LayerNorm,
    Linear,
    Sequential,
    SpectralNorm,
    Upsample,
)

if TYPE_CHECKING:
    from dcgan.config import Config

NORMS = {"layer": LayerNorm, "instance": InstanceNorm}


def varied(preset: Preset) -> Preset:
    """Return the preset with networks that follow the four options, too."""
    discriminator = _discriminator(preset.discriminator)

    def check(config: Config) -> None:
        preset.check(config)
        require_pixels(discriminator, config)

    return replace(
        preset,
        generator=_generator(preset.generator),
        discriminator=discriminator,
        follows=(*preset.follows, *OF_VARIANTS),
        check=check,
    )


def _generator(original: Callable[[Config], Sequential]) -> Callable[[Config], Sequential]:
    def generator(config: Config) -> Sequential:
        net = original(config)
        return Sequential(*_upsampled(net.layers)) if config.upsample == "nearest" else net

    return generator


def _discriminator(original: Callable[[Config], Sequential]) -> Callable[[Config], Sequential]:
    def discriminator(config: Config) -> Sequential:
        net = original(config)
        if (config.norm_d, config.spectral_norm, config.head) == ("batch", False, "conv"):
            return net
        layers = net.layers
        if config.norm_d != "batch":
            layers = list(_renormalised(layers, config.norm_d))
        if config.head == "pool":
            layers = _pooled(layers)
        return Sequential(*(spectral(layer) for layer in layers) if config.spectral_norm else layers)

    return discriminator


def _upsampled(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Put nearest upsampling and a 3x3 convolution in the place of every transposed convolution of stride 2.

    A transposed convolution paints overlapping kernels. Where the kernel is no multiple of the stride, pixels get
    unequally many of them, and even where it is, the weights have to learn to agree: hence checkerboards.
    """
    for layer in layers:
        if isinstance(layer, ConvTranspose2d) and layer.stride == (2, 2):
            yield Upsample(layer.output_size)
            yield Conv2d(*layer.channels, 3, padding=1, bias=layer.bias is not None)
        else:
            yield layer


def _renormalised(layers: list[Layer], kind: str) -> Iterator[Layer]:
    """Exchange every batch norm for a norm of this kind; with "none" the layer in front of it gets a bias instead."""
    for layer, behind in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, BatchNorm):
            if kind != "none":
                yield NORMS[kind](layer.channels, layer.eps, scale=layer.scale is not None)
        elif isinstance(layer, Conv2d) and isinstance(behind, BatchNorm) and kind == "none":
            yield Conv2d(*layer.channels, layer.kernel, layer.stride, layer.padding)
        else:
            yield layer


def _pooled(layers: list[Layer]) -> list[Layer]:
    """Let the mean of each map, in the place of all its pixels, decide: global average pooling and a dense layer.

    The last layer is a convolution over the whole map, or a dense layer behind a Flatten.
    """
    *before, last = layers
    if isinstance(before[-1], Flatten):
        before.pop()
    channels = next(layer.channels[1] for layer in reversed(before) if isinstance(layer, Conv2d))
    return [*before, GlobalAveragePool(), Linear(channels, 1, bias=last.bias is not None)]  # type: ignore[attr-defined]


def spectral(layer: Layer) -> Layer:
    """Return a convolution or dense layer with spectral norm, any other layer as it is."""
    return SpectralNorm(layer) if isinstance(layer, Conv2d | Linear) else layer


def norm_of(config: Config, channels: int) -> list[Layer]:
    """Return D's norm by --norm-d as a list of one layer, or of none."""
    if config.norm_d == "none":
        return []
    if config.norm_d == "batch":
        return [BatchNorm(channels, config.bn_eps, config.bn_momentum, config.bn_scale)]
    return [NORMS[config.norm_d](channels, config.bn_eps, scale=config.bn_scale)]


def require_pixels(discriminator: Callable[[Config], Sequential], config: Config) -> None:
    """Raise UserError where instance norm would get maps of one pixel, each of which would become 0."""
    if config.norm_d != "instance":
        return
    try:
        with backend.use("reference"):
            discriminator(config).forward(np.zeros((1, *config.image_size, colours(config)), "float32"))
    except ValueError as error:
        raise UserError(f"--norm-d: got instance, which --image-size is too small for: {error}") from error


def settle(net: Layer) -> None:
    """Let every spectral norm find the singular vectors of its first weight."""
    for layer in net.walk():
        if isinstance(layer, SpectralNorm):
            layer.settle()
