"""What an inversion works with and how hard it tries: Networks, and Effort with the options of the commands."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from dcgan import options
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.options import option, option_name
from gpunet.layers import Sequential

MOST_STARTS = 128  # for one picture: as many as a forward pass takes


class Networks(NamedTuple):
    """G, the D that was trained with it, and their config. D is None where a file holds none."""

    G: Sequential
    D: Sequential | None
    config: Config

    def judge(self) -> Sequential:
        """Return D. UserError: there is none."""
        if self.D is None:
            raise UserError("--features-weight, --prior: the file that was opened holds no discriminator")
        return self.D


@dataclass(frozen=True)
class Effort:
    """The options of a search for z; values may be given as text, a bad one raises UserError."""

    steps: int = option(250, options.integer(1), "steps of Adam for each z")
    starts: int = option(4, options.integer(1, MOST_STARTS), "z tried for each picture at first")
    seed: int = option(0, options.integer(0), "seed of the random z that the search starts from")
    features_weight: float = option(
        0.0, options.number("[0, inf)"), "weight of the difference of D's maps in the loss, such as 0.1", "X"
    )
    prior: float = option(
        0.0, options.number("[0, inf)"), "weight in the loss of what D says against the picture, such as 0.001", "X"
    )
    low_pass: bool = option(False, options.flag, "compare the means of 4x4 pixels for the first third of the steps")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = options.named(option_name(item.name), item.metadata["kind"], getattr(self, item.name))
            object.__setattr__(self, item.name, value)

    @property
    def needs_D(self) -> bool:
        """Whether the loss asks D."""
        return self.features_weight > 0 or self.prior > 0

    @classmethod
    def of(cls, given: dict[str, Any]) -> Effort:
        """Return the Effort of options by name. UserError: a name is unknown or a value does not fit."""
        names = [item.name for item in fields(cls)]
        if unknown := sorted(set(given) - set(names)):
            raise UserError(f"got the option {unknown[0]}, expected some of {', '.join(names)}")
        return cls(**given)
