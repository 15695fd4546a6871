"""Options of the loss: what the networks learn to answer, and what is added to it."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option


@dataclass(frozen=True)
class Loss:
    """The options that --help shows as "loss"."""

    l2: float = option(0.0, options.number("[0, inf)"), "weight of the penalty on squared weights", "X")
    real_target: float = option(1.0, options.number("(0, 1]"), "answer that D learns to give to real pictures", "X")
    fake_target: float = option(0.0, options.number("[0, 1)"), "answer that D learns to give to G's pictures", "X")
    generator_target: float = option(1.0, options.number("(0, 1]"), "answer of D that G learns to get", "X")
