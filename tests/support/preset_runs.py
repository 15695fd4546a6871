"""Tiny runs of every preset, with random weights and sizes whose maps are odd where the preset can have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dcgan import presets
from dcgan.config import Config
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
    """Return a run of a preset with random weights, tiny."""
    small = {"preset": name, "width": 4, "z_dim": 5, "image_size": SIZES[name], "device": "cpu"}
    config = presets.config_of(small | options)
    preset, rng = presets.find(name), np.random.default_rng(0)
    if preset.conditional:
        config = replace(config, classes=10)
    G, D = preset.generator(config), preset.discriminator(config)
    for net in (G, D):
        preset.initialise(net, rng)
        unlike_the_start(net, rng)
    _with_contrast(G.eval(), config, rng)
    return Trained(G, config, "0001-test", 7, D=D.eval())


def _with_contrast(G: layers.Sequential, config: Config, rng: np.random.Generator) -> None:
    """Enlarge the last weights until pictures reach over much of their range, as those of a trained G do."""
    last = [layer for layer in G.walk() if isinstance(layer, layers.Conv2d | layers.ConvTranspose2d | layers.Linear)][
        -1
    ]
    z = rng.standard_normal((8, 1, 1, config.z_dim)).astype("float32")
    with G.given(None if config.classes is None else np.arange(8, dtype="int32")):
        while G.forward(z).std() < 0.2:
            last.weight.data[...] *= 1.5
