"""Gradient penalties of D, added to its step: R1 on real pictures, WGAN-GP's between real and made ones.

docs/gradient-penalty.md derives how their gradients are computed (gpunet.tangent).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dcgan import presets
from dcgan.config import Config
from dcgan.config.networks import NORMS_D
from dcgan.errors import UserError
from dcgan.losses import GP, LOSSES, Loss, clip_limit
from gpunet import backend, tangent
from gpunet.backend.devices import Array
from gpunet.layers import Layer
from gpunet.optim import Adam


@dataclass(frozen=True)
class Penalty:
    """A penalty of one step: its name in the log, its weight, and how often the weight counts in this step.

    Lazily applied, at every K-th step, a penalty counts K times (Karras et al., StyleGAN2, 2020, appendix B).
    """

    name: str  # "r1" or "gp"
    weight: float
    times: int = 1

    def add(self, D: Layer, optimizer: Adam, x: Array) -> Array:
        """Add the penalty's gradient at pictures x to D's gradients; return the penalty, counted once, a 0-d array."""
        of_g = functools.partial(backend.gradient_penalty, weight=self.weight, to_one=self.name == "gp")

        def scaled(v: Array) -> Array:
            v = optimizer.scaled(v)
            if self.times > 1:
                v *= v.dtype.type(self.times)
            return v

        return tangent.penalise(D, x, of_g, scaled)


class Objective(NamedTuple):
    """What D and G minimise in a step, and the largest size of D's weights afterwards (None: any).

    targets: the answers that D learns to give to real pictures and to G's; generator_target: the one that G learns to
    get. Targets of D off 1 and 0 smooth its labels.
    """

    loss: Loss = LOSSES["ns"]
    targets: tuple[float, float] = (1.0, 0.0)
    generator_target: float = 1.0
    penalties: tuple[Penalty, ...] = ()
    clip: float | None = None


ADVERSARIAL = Objective()  # the paper's: the loss alone


def at(penalty: Penalty, seen: Array, mix: Array | None) -> Array:
    """Return the pictures (N, H, W, C) at which a penalty takes D's gradient.

    seen (2 N, H, W, C): what D sees of real pictures and, behind them, of G's. R1 is at the real ones. WGAN-GP is
    between a real and a made one, at the place that mix (N,) says.
    """
    real, fake = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    return real if penalty.name == "r1" else backend.between(real, fake, mix)


def penalties(config: Config, updates: int) -> tuple[Penalty, ...]:
    """Return the penalties of D's next step, after so many of its steps."""
    found = []
    if config.r1 and updates % config.r1_every == 0:
        found.append(Penalty("r1", config.r1, config.r1_every))
    if config.loss == "wgan-gp":
        found.append(Penalty("gp", GP if config.gp is None else config.gp))
    return tuple(found)


def objective(config: Config, penalties: tuple[Penalty, ...]) -> Objective:
    """Return what a config asks for, in a step with these penalties."""
    targets = config.real_target, config.fake_target
    return Objective(LOSSES[config.loss], targets, config.generator_target, penalties, clip_limit(config))


def draw_mix(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return where between its real and its made picture each sample of WGAN-GP lies: (count,), float32, U(0, 1)."""
    return rng.random(count, "float32")


def check(config: Config) -> None:
    """Raise UserError where D has layers through which the penalty that was asked for cannot be computed."""
    if not config.r1 and config.loss != "wgan-gp":
        return
    option = "--loss wgan-gp" if config.loss == "wgan-gp" else "--r1"
    if refused := _refused(config):
        kinds = " and ".join(sorted({type(layer).__name__ for layer in refused}))
        raise UserError(
            f"{option}: the discriminator of --preset {config.preset} has {kinds}, which a gradient penalty cannot "
            f"pass: with batch norm a picture's answer depends on the others; {_instead(config)}"
        )


def _refused(config: Config) -> list[Layer]:
    """Return the layers of D that a gradient penalty cannot pass."""
    return tangent.without_rule(presets.find(config.preset).discriminator(replace(config, classes=config.classes or 2)))


def _instead(config: Config) -> str:
    """Return what to take instead: another norm of D, or a preset that has one where this preset has no choice."""
    if "norm_d" in presets.find(config.preset).follows and (norms := _norms(config)):
        return f"take --norm-d {_listed(norms)}"
    others = [name for name in presets.PRESETS if "norm_d" in presets.find(name).follows]
    return f"{config.preset} has no --norm-d: take --norm-d {_listed(_norms(Config()))} with --preset {_listed(others)}"


def _norms(config: Config) -> list[str]:
    """Return the norms of D that a gradient penalty can pass; instance is not among them where maps are too small."""
    found = []
    for name in NORMS_D:
        other = replace(config, norm_d=name)
        with contextlib.suppress(UserError):
            presets.find(config.preset).check(other)
            found += [] if _refused(other) else [name]
    return found


def _listed(names: Sequence[str]) -> str:
    """Return "a, b or c"."""
    *some, last = names
    return f"{', '.join(some)} or {last}" if some else last
