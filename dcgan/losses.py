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

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dcgan.errors import UserError
from dcgan.options import option_name
from gpunet.backend.losses import Asked

if TYPE_CHECKING:
    from dcgan.config import Config

Targets = tuple[float, float]
PROBABILITIES, SCORES = ("d_real", "d_fake"), ("score_real", "score_fake")
CLIP, GP = 0.01, 10.0  # the papers' values, for a Config that leaves them open


@dataclass(frozen=True)
class Loss:
    """One of the losses: the formulas of D's and of G's (gpunet.backend.losses), and the names of D's answers.

    targets_of_D: the fixed targets of D's formula; None: the user's, who may then choose others than 1 and 0. names: of
    the two means that the log shows, over real pictures and over G's.
    """

    formula_D: str
    formula_G: str
    targets_of_D: Targets | None = None
    names: tuple[str, str] = SCORES

    @property
    def takes_targets(self) -> bool:
        """Whether the targets may be others than 1 and 0."""
        return self.targets_of_D is None

    def of_D(self, targets: Targets) -> Asked:
        """Return D's loss, of answers to real pictures and, behind them, to as many of G's; a target for each half."""
        return Asked(self.formula_D, self.targets_of_D or targets)

    def of_G(self, target: float) -> Asked:
        """Return G's loss, of D's answers to G's pictures."""
        return Asked(self.formula_G, (target,))


UP_AND_DOWN = (1.0, -1.0)  # real pictures shall get large answers, G's small ones
WASSERSTEIN = Loss("linear", "linear", UP_AND_DOWN)
LOSSES = {
    "ns": Loss("bce", "bce", names=PROBABILITIES),
    "hinge": Loss("hinge", "linear", UP_AND_DOWN),
    "ls": Loss("square", "square"),
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
    default = type(config).r1_every
    if not config.r1 and config.r1_every != default:
        expected = f"expected --r1 X with it, or {default}, the default"
        raise UserError(f"--r1-every: got {config.r1_every} without --r1, {expected}")
