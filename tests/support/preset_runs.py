"""Tiny runs of every preset, with random weights and sizes whose maps are odd where the preset can have them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from dcgan import presets
from dcgan.presets.variants import settle
from dcgan.trained import Trained
from gpunet import layers

SIZES = {
    "dcgan64": (28, 20), "paper": (37, 22), "carpedm20": (21, 50), "carpedm20-mnist": (27, 30), "mydcgan": (18, 33),
    "tf-nw": (35, 17), "basicgan": (9, 7), "anime96": (24, 48), "monn28": (29, 26), "resnet": (31, 18),
}  # fmt: skip


def unlike_the_start(net: layers.Layer, rng: np.random.Generator) -> None:
    """Give every norm other numbers than those it starts with, and every spectral norm its sigma."""
    for layer in net.walk():
        for name, values in layer.buffers.items() if isinstance(layer, layers.BatchNorm) else ():
            values[...] = rng.uniform(0.5, 2, values.shape) if "var" in name else rng.normal(0, 0.3, values.shape)
        for name in ("scale", "shift", "bias"):
            if getattr(layer, name, None) is not None:
                data = getattr(layer, name).data
                data[...] = rng.normal(name == "scale", 0.2, data.shape)
    settle(net)


def made_run(name: str, options: dict[str, Any]) -> Trained:
    """Return a run of a preset with random weights, tiny, whose pictures differ from z to z."""
    small = {"preset": name, "width": 4, "z_dim": 5, "image_size": SIZES[name], "device": "cpu"}
    config = presets.config_of(small | options)
    preset, rng = presets.find(name), np.random.default_rng(0)
    if preset.is_told_labels(config):
        config = replace(config, classes=10)
    G, D = preset.generator(config).eval(), preset.discriminator(config).eval()
    for net in (G, D):
        _keep_sizes(net, rng)
        unlike_the_start(net, rng)
    z = rng.standard_normal((8, 1, 1, config.z_dim)).astype("float32")
    with G.given(None if config.classes is None else np.arange(8, dtype="int32")):
        assert G.forward(z).std(axis=0).mean() > 0.05
    return Trained(G, config, "0001-test", 7, D=D)


def _keep_sizes(net: layers.Layer, rng: np.random.Generator) -> None:
    """Draw weights that make numbers neither grow nor shrink from layer to layer: sd sqrt(2 / products of an output).

    In a transposed convolution an output meets a part of the kernel only: of a projection from one pixel one tap.
    """
    for layer in net.walk():
        if isinstance(layer, layers.Conv2d | layers.ConvTranspose2d | layers.Linear):
            data = layer.weight.data
            products = data.size / data.shape[-1]
            if isinstance(layer, layers.ConvTranspose2d):
                steps = layer.stride[0] * layer.stride[1]
                products = data.shape[-1] * (math.prod(layer.kernel) / steps if steps > 1 else 1)
            data[...] = rng.normal(0, (2 / products) ** 0.5, data.shape)
