"""Options of what D sees: pictures that are changed at random, real ones and G's alike."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option

# The words of --augment, in the order in which they are applied (dcgan/augment.py).
AUGMENTATIONS = ("color", "translation", "cutout")


@dataclass(frozen=True)
class Views:
    """The options that --help shows as "what D sees"."""

    augment: str | None = option(
        None,
        options.some_of(*AUGMENTATIONS),
        "change all pictures at random before D sees them (DiffAugment): color, translation, cutout, or some of them",
        "A,B",
    )
    instance_noise: float = option(
        0.0,
        options.number("[0, inf)"),
        "standard deviation of noise on what D sees; it falls linearly to 0 until the last step",
        "X",
    )
