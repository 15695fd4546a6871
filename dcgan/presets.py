"""The presets: a DCGAN by name, its networks and the settings it was published with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dcgan import models
from dcgan.errors import UserError
from gpunet.layers import Layer, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config


@dataclass(frozen=True)
class Preset:
    """Networks as functions of the config (its channels settled), how they start, and the settings that differ."""

    summary: str
    check: Callable[[Config], Any]  # raises UserError for a size that the networks cannot have, before data is read
    generator: Callable[[Config], Sequential]
    discriminator: Callable[[Config], Sequential]
    initialise: Callable[[Layer, np.random.Generator], None]
    settings: Mapping[str, Any] = field(default_factory=dict)


PRESETS = {
    "dcgan64": Preset(
        summary="the network of pytorch/examples: 4x4 kernels, no biases, one D and one G step per batch",
        check=lambda c: models.ladder(c.image_size, c.width),
        generator=lambda c: models.generator(c.image_size, c.channels or 3, c.z_dim, c.width),
        discriminator=lambda c: models.discriminator(c.image_size, c.channels or 3, c.width),
        initialise=models.initialise,
    ),
}


def find(name: str) -> Preset:
    """Return the preset of that name. Raises UserError naming those there are."""
    if name not in PRESETS:
        raise UserError(f"--preset: got '{name}', expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
