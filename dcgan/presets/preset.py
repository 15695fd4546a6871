"""Preset: a DCGAN by name, its networks and the settings that it was published with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dcgan.config.networks import Choices
from gpunet.layers import Layer, Sequential

if TYPE_CHECKING:
    from dcgan.config import Config

Initialise = Callable[[Layer, np.random.Generator], None]

# Options of Config that only networks read. Not every preset's networks read all: `Preset.follows` names its own.
OF_NETWORKS = tuple(item.name for item in fields(Choices))
OF_VARIANTS = ("upsample", "norm_d", "spectral_norm", "head")  # read by dcgan.presets.variants
OF_BATCHNORM = ("bn_scale", "bn_eps", "bn_momentum", "sampling_statistics")


@dataclass(frozen=True)
class Preset:
    """Networks as functions of the config (its channels and classes settled), how they start, and the settings.

    settings holds what differs from the defaults of Config. `check` raises UserError for a picture size that the
    networks cannot have, before any data is read. conditional: whether they are told labels without --conditional.
    """

    summary: str
    generator: Callable[[Config], Sequential]
    discriminator: Callable[[Config], Sequential]
    initialise: Initialise
    settings: Mapping[str, Any] = field(default_factory=dict)
    follows: tuple[str, ...] = ()
    check: Callable[[Config], Any] = lambda config: None
    conditional: bool = False

    def is_told_labels(self, config: Config) -> bool:
        """Return whether the networks of a config are told the label of every picture."""
        return self.conditional or config.conditional is not None
