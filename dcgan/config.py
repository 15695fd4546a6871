"""Config: every option of a run, its default, its check and its help, in one place.

The command line is made from this table, `config.json` in the run folder is this table filled in, and every checkpoint
holds a copy. Defaults are those of the preset `dcgan64`; another preset's settings replace them, a recipe's settings
replace those, options given on the command line replace all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from dcgan import options
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.options import option, option_name
from dcgan.run_options import RunOptions


@dataclass(frozen=True)
class Config(RunOptions):
    """Every option of a run, those of `DataOptions` and `RunOptions` first.

    Values may be given as text; a bad one raises UserError.
    """

    # The networks
    preset: str = option("dcgan64", options.text, "which DCGAN: its networks and its settings", "NAME")
    width: int = option(64, options.integer(1), "filters of the layer next to the pictures")
    z_dim: int = option(100, options.integer(1), "numbers in a z")
    z_dist: str = option(
        "normal",
        options.choice("normal", "uniform", "unsigned"),
        "z is drawn from normal N(0, 1), uniform U(-1, 1) or unsigned U(0, 1)",
        "NAME",
    )
    init: str | None = option(
        None,
        options.choice("dcgan", "normal", "truncated", "glorot", "torch"),
        "how weights start, instead of as in the preset: dcgan, normal, truncated, glorot or torch",
        "NAME",
    )

    # What only some presets leave open
    bias: bool = option(False, options.flag, "convolutions have biases")
    padding: str = option(
        "same",
        options.choice("same", "symmetric"),
        "zeros around 5x5 kernels: same (1 before, 2 behind) or symmetric (2, 2)",
        "NAME",
    )
    projection_norm: str = option(
        "channel",
        options.choice("channel", "feature", "none"),
        "batch norm behind G's dense layer: per channel, per feature or none",
        "NAME",
    )
    bn_scale: bool = option(True, options.flag, "batch norm has a scale")
    bn_eps: float = option(1e-5, options.number("(0, 1)"), "batch norm's epsilon", "X")
    bn_momentum: float = option(0.1, options.number("(0, 1]"), "weight of the newest batch in running averages", "X")
    output: str = option("tanh", options.choice("tanh", "sigmoid"), "G ends with tanh [-1, 1] or sigmoid [0,1]", "NAME")
    sampling_statistics: str = option(
        "running",
        options.choice("running", "batch"),
        "what batch norm samples with: running averages, or the statistics of the batch of samples",
        "NAME",
    )
    classes: int | None = option(None, options.integer(1), "labels that networks with labels know (those of the data)")

    # The training
    epochs: int = option(25, options.integer(1), "passes over the data in total, those before a resume included")
    steps: int | None = option(None, options.integer(1), "batches in total; takes the place of --epochs")
    batch_size: int = option(64, options.integer(1), "pictures per step")
    lr: float = option(2e-4, options.number("(0, inf)"), "Adam's learning rate", "X")
    beta1: float = option(0.5, options.number("[0, 1)"), "Adam's decay of the first moment", "X")
    beta2: float = option(0.999, options.number("[0, 1)"), "Adam's decay of the second moment", "X")
    ratio: tuple[int, int] = option((1, 1), options.ratio, "m generator steps after every n discriminator steps", "n:m")
    fresh_z: bool = option(False, options.flag, "generator steps draw a new z instead of the discriminator step's")
    alternate: bool = option(False, options.flag, "a batch trains one network only: m of them G, the next n D")
    lr_schedule: str = option(
        "constant",
        options.choice("constant", "step", "linear"),
        "of the learning rate: constant, step (times --lr-decay every --lr-period epochs) or linear (to 0)",
        "NAME",
    )
    lr_decay: float = option(0.2, options.number("(0, 1]"), "factor of the step schedule", "X")
    lr_period: int = option(3, options.integer(1), "epochs from one such factor to the next")
    l2: float = option(0.0, options.number("[0, inf)"), "weight of the penalty on squared weights", "X")
    real_target: float = option(1.0, options.number("(0, 1]"), "what D shall say of real pictures; 0.9 smooths", "X")
    fake_target: float = option(0.0, options.number("[0, 1)"), "what D shall say of G's pictures", "X")
    generator_target: float = option(1.0, options.number("(0, 1]"), "what G wants D to say of its pictures", "X")
    last_batch: str = option(
        "drop",
        options.choice("drop", "wrap"),
        "pictures left over at an epoch's end: drop them, or wrap them into a batch with the next epoch's first",
        "NAME",
    )
    seed: int = option(0, options.integer(0), "of weights, z, the order of the data and the drawn faces")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None or item.default is not None:
                checked = options.named(option_name(item.name), item.metadata["kind"], value)
                object.__setattr__(self, item.name, checked)

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Config:
        """Return the preset's settings, those of the recipe over them, and over both the given options."""
        from dcgan.presets import settings  # networks, which start-up with --help does not need

        return cls(**settings(given.get("preset", cls.preset), with_recipe(given)))

    def to_json(self) -> str:
        """Return the options as JSON text, one a line."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, origin: str = "config.json") -> Config:
        """Return the config of a `to_json` text. UserError: no JSON object, an unknown option or a bad value."""
        try:
            given = json.loads(text)
        except ValueError as error:
            raise UserError(f"{origin} is no JSON: {error}") from error
        if not isinstance(given, dict):
            raise UserError(f"{origin}: got a {type(given).__name__}, expected an object of options")
        unknown = sorted(set(given) - {item.name for item in fields(cls)})
        if unknown:
            raise UserError(f"{origin}: unknown option {', '.join(unknown)}; was it written by a newer version?")
        try:
            return cls(**given)
        except UserError as error:
            raise UserError(f"{origin}: {error}") from error
