"""Options of the loss: what the networks learn to answer, and what is added to it."""

from __future__ import annotations

from dataclasses import dataclass

from dcgan import options
from dcgan.options import option

LOSSES = ("ns", "hinge", "ls", "wgan", "wgan-gp")  # of dcgan.losses


@dataclass(frozen=True)
class Loss:
    """The options that --help shows as "loss"."""

    loss: str = option(
        "ns",
        options.choice(*LOSSES),
        "what D and G minimise: ns (non-saturating), hinge, ls (least squares), wgan (clipped weights) or wgan-gp",
        "NAME",
    )
    clip_weights: float | None = option(
        None, options.number("(0, inf)"), "largest size of D's weights with --loss wgan; 0.01 without it", "X"
    )
    gp: float | None = option(
        None, options.number("(0, inf)"), "weight of the gradient penalty of --loss wgan-gp; 10 without it", "X"
    )
    r1: float = option(0.0, options.number("[0, inf)"), "weight of R1, a gradient penalty at real pictures", "X")
    r1_every: int = option(16, options.integer(1), "D's steps from one R1 penalty to the next, which counts as many")
    l2: float = option(0.0, options.number("[0, inf)"), "weight of the penalty on squared weights", "X")
    real_target: float = option(1.0, options.number("(0, 1]"), "answer that D learns to give to real pictures", "X")
    fake_target: float = option(0.0, options.number("[0, 1)"), "answer that D learns to give to G's pictures", "X")
    generator_target: float = option(1.0, options.number("(0, 1]"), "answer of D that G learns to get", "X")
