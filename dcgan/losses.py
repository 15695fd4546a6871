"""The losses of GANs by name: what D and G each minimise, as functions of D's answers.

    --loss    D minimises                                            G minimises         source
    ns        mean -log D(x) + mean -log(1 - D(G(z)))                mean -log D(G(z))   Goodfellow et al., 2014
    hinge     mean max(0, 1 - d(x)) + mean max(0, 1 + d(G(z)))       mean -d(G(z))       Lim & Ye, 2017
    ls        mean (d(x) - 1)^2 / 2 + mean d(G(z))^2 / 2             mean (d(G(z)) - 1)^2 / 2    Mao et al., 2017
    wgan      mean -d(x) + mean d(G(z)), weights clipped             mean -d(G(z))       Arjovsky et al., 2017
    wgan-gp   the same, with a gradient penalty instead              mean -d(G(z))       Gulrajani et al., 2017

d(x) is what D's last layer says, a number of any size: a score. In ns it is the logit of D(x), a probability. ns and ls
have targets for the answers; above they are 1 for real pictures and 0 for G's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcgan.errors import UserError
from dcgan.options import option_name
from gpunet.backend import bce_of_halves, bce_with_logits, loss_of_answers
from gpunet.backend.devices import Array

if TYPE_CHECKING:
    from dcgan.config import Config

Targets = tuple[float, float]
PROBABILITIES, SCORES = ("d_real", "d_fake"), ("score_real", "score_fake")
CLIP, GP = 0.01, 10.0  # the papers' values, for a Config that leaves them open


@dataclass(frozen=True)
class Loss:
    """One of the losses.

    of_D: D's answers to real pictures and, behind them, to as many of G's; and a target for each half -> the loss, the
    two means that the log shows under `names`, the gradient by the answers. of_G: D's answers to G's pictures, and the
    target -> the loss, its gradient. takes_targets: whether the targets may be others than 1 and 0.
    """

    of_D: Callable[[Array, Targets], tuple[Array, Array, Array]]
    of_G: Callable[[Array, float], tuple[Array, Array]]
    names: tuple[str, str] = SCORES
    takes_targets: bool = False


def _of_D(formula: str, targets: Targets | None = None) -> Callable[[Array, Targets], tuple[Array, Array, Array]]:
    return lambda answers, given: loss_of_answers(answers, formula, targets or given)


def _of_G(formula: str) -> Callable[[Array, float], tuple[Array, Array]]:
    def of_G(answers: Array, target: float) -> tuple[Array, Array]:
        loss, _, gradient = loss_of_answers(answers, formula, (target,))
        return loss, gradient

    return of_G


UP_AND_DOWN = (1.0, -1.0)  # real pictures shall get large answers, G's small ones
WASSERSTEIN = Loss(_of_D("linear", UP_AND_DOWN), _of_G("linear"))
LOSSES = {
    "ns": Loss(bce_of_halves, bce_with_logits, PROBABILITIES, takes_targets=True),
    "hinge": Loss(_of_D("hinge", UP_AND_DOWN), _of_G("linear")),
    "ls": Loss(_of_D("square"), _of_G("square"), takes_targets=True),
    "wgan": WASSERSTEIN,
    "wgan-gp": WASSERSTEIN,
}


def clip_limit(config: Config) -> float | None:
    """Return the largest size that a weight of D may have after its step, None for no limit."""
    if config.loss != "wgan":
        return None
    return CLIP if config.clip_weights is None else config.clip_weights


def check(config: Config) -> None:
    """Raise UserError for options that mean nothing with the loss that was chosen."""
    loss, usual = LOSSES[config.loss], {"real_target": 1.0, "fake_target": 0.0, "generator_target": 1.0}
    for name, value in usual.items():
        if not loss.takes_targets and getattr(config, name) != value:
            raise UserError(
                f"{option_name(name)}: got {getattr(config, name)}, but --loss {config.loss} has no targets: "
                f"leave it at {value:g}, or take --loss ns or --loss ls"
            )
    for name, owner in (("clip_weights", "wgan"), ("gp", "wgan-gp")):
        if getattr(config, name) is not None and config.loss != owner:
            more = "; a gradient penalty with any other loss is --r1" if name == "gp" else ""
            raise UserError(
                f"{option_name(name)}: got {getattr(config, name)} with --loss {config.loss}, "
                f"expected --loss {owner}{more}"
            )
