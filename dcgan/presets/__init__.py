"""The presets: every DCGAN of the literature by its name. One page each, and the table of them all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcgan import quick
from dcgan.config import Config, require_known
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.options import choice, named, option_name
from dcgan.presets import anime96, basicgan, carpedm20, carpedm20_mnist, dcgan64, monn28, mydcgan, paper, resnet, tf_nw
from dcgan.presets.conditional import conditional
from dcgan.presets.parts import INITS
from dcgan.presets.preset import OF_NETWORKS, Initialise, Preset
from dcgan.presets.variants import settle, varied
from gpunet.layers import Layer

PRESETS: dict[str, Preset] = {
    "dcgan64": conditional(varied(dcgan64.PRESET)),
    "paper": conditional(varied(paper.PRESET)),
    "carpedm20": conditional(varied(carpedm20.PRESET)),
    "carpedm20-mnist": carpedm20_mnist.PRESET,
    "mydcgan": conditional(varied(mydcgan.PRESET)),
    "tf-nw": conditional(varied(tf_nw.PRESET)),
    "basicgan": conditional(basicgan.PRESET),
    "anime96": conditional(anime96.PRESET),
    "monn28": conditional(monn28.PRESET),
    "resnet": conditional(resnet.PRESET),
}


def find(name: str) -> Preset:
    """Return the preset of that name. Raises UserError naming those there are."""
    return PRESETS[named("--preset", choice(*PRESETS), name)]


def settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a preset's settings with the given options over them. UserError: one that its networks do not read."""
    preset = find(name)
    if given.get("classes") is not None and not preset.conditional and given.get("conditional") is None:
        told = ", ".join(other for other in PRESETS if find(other).conditional)
        others = f"those of {told} do, and all others do with --conditional"
        raise UserError(f"--classes: the networks of {name} leave no such choice, {others}")
    for option in OF_NETWORKS:
        if given.get(option) is not None and option not in preset.follows:
            others = ", ".join(name for name, other in PRESETS.items() if option in other.follows)
            raise UserError(f"{option_name(option)}: the networks of {name} leave no such choice, those of {others} do")
    return {**preset.settings, **given}


def config_of(given: Mapping[str, Any]) -> Config:
    """Return the config of a preset's settings, a recipe's over them, and over both the given options.

    DCGAN_QUICK lowers its numbers (dcgan/quick.py). Raises UserError for an unknown option and a bad value.
    """
    require_known(given)
    return quick.shortened(Config(**settings(given.get("preset", Config.preset), with_recipe(given))))


def initialiser(config: Config) -> Initialise:
    """Return how the networks' weights start: as --init says, otherwise as the preset does."""
    draw = INITS[config.init] if config.init else find(config.preset).initialise

    def initialise(net: Layer, rng: np.random.Generator) -> None:
        draw(net, rng)
        settle(net)

    return initialise
