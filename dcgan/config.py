"""Config: every option of a run, its default, its check and its help, in one place.

The command line is made from this table, `config.json` in the run folder is this table filled in, and every checkpoint
holds a copy. Defaults are those of the preset `dcgan64`; another preset's settings replace them, options given on the
command line replace both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dcgan import options
from dcgan.errors import UserError


def option(default: Any, kind: options.Kind, help: str, metavar: str = "N") -> Any:
    """Declare an option: its default (None: left open), its kind and its help."""
    return field(default=default, metadata={"kind": kind, "help": help, "metavar": metavar})


def option_name(field_name: str) -> str:
    """Return an option as it is typed: image_size is --image-size."""
    return "--" + field_name.replace("_", "-")


@dataclass(frozen=True)
class Config:
    """Every option of a run. Values may be given as text; one that does not fit raises UserError naming the option."""

    # The data
    data: str | None = option(
        None, options.text, "folder, .zip or prepared .h5 of pictures; without it, built-in drawn faces", "PATH"
    )
    image_size: tuple[int, int] = option((64, 64), options.size, "height and width of the pictures", "N|HxW")
    channels: int | None = option(None, options.integer(1, 3), "1 grey, 3 colour; without it, as the data is")
    crop: tuple[int, int] | None = option(None, options.size, "cut this centre out before resizing", "PX|HxW")
    flip: bool = option(False, options.flag, "mirror each picture with probability 1/2")

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

    # The training
    epochs: int = option(25, options.integer(1), "passes over the data in total, those before a resume included")
    steps: int | None = option(None, options.integer(1), "batches in total; takes the place of --epochs")
    batch_size: int = option(64, options.integer(1), "pictures per step")
    lr: float = option(2e-4, options.number("(0, inf)"), "Adam's learning rate", "X")
    beta1: float = option(0.5, options.number("[0, 1)"), "Adam's decay of the first moment", "X")
    beta2: float = option(0.999, options.number("[0, 1)"), "Adam's decay of the second moment", "X")
    ratio: tuple[int, int] = option((1, 1), options.ratio, "m generator steps after every n discriminator steps", "n:m")
    fresh_z: bool = option(False, options.flag, "generator steps draw a new z instead of the discriminator step's")
    real_target: float = option(1.0, options.number("(0, 1]"), "what D shall say of real pictures; 0.9 smooths", "X")
    fake_target: float = option(1.0, options.number("(0, 1]"), "what G wants D to say of its pictures", "X")
    seed: int = option(0, options.integer(0), "of weights, z, the order of the data and the drawn faces")

    # The run
    device: str = option("auto", options.choice("auto", "cpu", "cuda"), "auto, cpu or cuda", "NAME")
    implementation: str | None = option(
        None, options.choice("kernels", "reference"), "kernels (our CUDA sources) or reference (array code)", "NAME"
    )
    graph: bool = option(True, options.flag, "on cuda, replay the training step as one CUDA graph")
    out: str = option("runs", options.text, "where run folders are made", "DIR")
    samples: int = option(64, options.integer(1), "pictures in a sample grid")
    sample_every: int = option(200, options.integer(1), "steps from one sample grid to the next")
    checkpoint_every: int = option(500, options.integer(1), "steps from one checkpoint to the next")
    keep: int = option(3, options.integer(1), "how many of the newest checkpoints stay")

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None or item.default is not None:
                checked = options.named(option_name(item.name), item.metadata["kind"], value)
                object.__setattr__(self, item.name, checked)

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Config:
        """Return the preset's settings with the given options over them."""
        from dcgan.presets import find  # networks, which start-up with --help does not need

        return cls(**{**find(given.get("preset", cls.preset)).settings, **given})

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
