"""--conditional: networks that are told the class of every picture, made of a preset's own.

    joined       every convolution and dense layer of G and D gets the label beside its input, one-hot: a number more
                 per class for a vector, a constant plane more per class for a map (Mirza & Osindero, 2014;
                 carpedm20/DCGAN-tensorflow)
    projection   G as above; D is told the label at its end alone, D(x, y) = the preset's logit + <e_y, h(x)>: h(x) are
                 the sums of the last maps, e_y a vector for each class, which is trained, too
                 (Miyato & Koyama, "cGANs with projection discriminator", 2018, equation 4)

A preset is a list of layers, so both are another list. Without --conditional the networks are those of the preset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dcgan.presets.preset import Preset
from dcgan.presets.variants import spectral
from gpunet.layers import (
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAveragePool,
    GlobalSumPool,
    JoinLabels,
    Layer,
    Linear,
    PickLabel,
    Reshape,
    Residual,
    Sequential,
    SpectralNorm,
)

if TYPE_CHECKING:
    from dcgan.config import Config

UNKNOWN = 2  # classes of a network that is looked at before the data has been seen
POOLS = Flatten, GlobalAveragePool, GlobalSumPool  # from maps to vectors


def conditional(preset: Preset) -> Preset:
    """Return the preset with networks that follow --conditional, too, and then --classes."""

    def generator(config: Config) -> Sequential:
        net = preset.generator(config)
        return joined(net, config.classes or UNKNOWN) if config.conditional else net

    def discriminator(config: Config) -> Sequential:
        net = preset.discriminator(config)
        if config.conditional == "projection":
            return projected(net, config.classes or UNKNOWN, config.spectral_norm)
        return joined(net, config.classes or UNKNOWN) if config.conditional else net

    follows = (*preset.follows, "conditional", "classes")
    return replace(preset, generator=generator, discriminator=discriminator, follows=follows)


def joined(net: Sequential, classes: int) -> Sequential:
    """Return the network with the label in front of each of its layers that have weights, inside of blocks, too.

    Example, for 10 classes: ConvTranspose2d(100, 512, 4) becomes JoinLabels(10), ConvTranspose2d(110, 512, 4).
    """
    return Sequential(*_joined(net.layers, classes))


def _joined(layers: Sequence[Layer], classes: int) -> Iterator[Layer]:
    for layer in layers:
        if isinstance(layer, Residual):
            paths = [path and Sequential(*_joined(_list(path), classes)) for path in (layer.branch, layer.shortcut)]
            assert paths[0] is not None
            yield Residual(paths[0], paths[1])
        elif isinstance(_inner(layer), Conv2d | ConvTranspose2d | Linear):
            yield JoinLabels(classes)
            wider = _wider(_inner(layer), classes)
            yield spectral(wider) if isinstance(layer, SpectralNorm) else wider
        else:
            yield layer


def projected(net: Sequential, classes: int, spectral_norm: bool = False) -> Sequential:
    """Return a discriminator whose logit gets <e_label, sums of the last maps> added; its layers stay what they are.

    Its last layers, from the last map to the logit, become one path of a block, the new layers the other one.
    """
    layers, last = net.layers[:-1], net.layers[-1]
    head = [last]
    if layers and isinstance(layers[-1], POOLS) and len(layers) > 1:
        head = [layers.pop(), last]
    maps = len(head) == 2 or isinstance(_inner(last), Conv2d)
    embedding: Layer = Linear(_features(layers), classes, bias=False)  # column k is e_k
    beside: list[Layer] = [spectral(embedding) if spectral_norm else embedding, PickLabel(classes)]
    if maps:
        beside.insert(0, GlobalSumPool())
    if isinstance(_inner(last), Conv2d):
        beside.append(Reshape((1, 1, 1)))
    return Sequential(*layers, Residual(Sequential(*head), Sequential(*beside)))


def _features(layers: Sequence[Layer]) -> int:
    """Return how many channels the last map has, or numbers the last vector, behind these layers."""
    for layer in reversed(layers):
        inner = _inner(layer)
        if isinstance(inner, Residual):
            return _features(_list(inner.branch))
        if isinstance(inner, Conv2d):
            return inner.channels[1]
        if isinstance(inner, Linear):
            return inner.features[1]
    raise ValueError(f"{layers!r}: expected a layer with weights in front of the last one")


def _wider(layer: Layer, more: int) -> Layer:
    """Return a new layer of the same kind that takes so many channels or numbers more."""
    if isinstance(layer, Linear):
        return Linear(layer.features[0] + more, layer.features[1], layer.bias is not None)
    assert isinstance(layer, Conv2d | ConvTranspose2d)
    channels, bias = (layer.channels[0] + more, layer.channels[1]), layer.bias is not None
    if isinstance(layer, Conv2d):
        return Conv2d(*channels, layer.kernel, layer.stride, layer.padding, bias)
    return ConvTranspose2d(*channels, layer.kernel, layer.stride, layer.padding, layer.output_size, bias)


def _inner(layer: Layer) -> Layer:
    """Return the layer that a SpectralNorm divides the weight of; any other layer as it is."""
    return layer.layer if isinstance(layer, SpectralNorm) else layer


def _list(path: Layer) -> list[Layer]:
    """Return the layers of a path of a block."""
    return path.layers if isinstance(path, Sequential) else [path]
