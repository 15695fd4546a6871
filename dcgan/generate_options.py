"""The modes of dcgan.generate and the options that each takes: a table, and View, which holds them checked."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcgan import options
from dcgan.config import Config
from dcgan.errors import UserError


@dataclass(frozen=True)
class Mode:
    """A --mode: the endings of its --out ("": a folder), its own options, and its least and its usual --count."""

    outs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    least: int = 2
    count: int = 16


MODES = {
    "grid": Mode((".png", ""), least=1, count=64),
    "sweep": Mode(("",), ("dimensions",)),
    "gif": Mode(("",), ("dimensions", "fps")),
    "merged-gif": Mode((".gif",), ("dimensions", "fps")),
    "interpolation": Mode((".png", ".gif"), ("rows", "fps")),
}
KINDS = {".png": "a .png file", ".gif": "a .gif file", "": "a folder"}
OTHER_PICTURES = (".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
NUMBERS = {"seed": options.integer(0), "rows": options.integer(1), "fps": options.integer(1, 50)}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a View."""
    for name, metavar, help in (
        ("mode", "NAME", f"kind of pictures: {', '.join(MODES)} (grid)"),
        ("count", "N", "number of pictures (64); on each sweep, or from one z to the next (16)"),
        ("seed", "N", "seed of the random z: another seed, other pictures (0)"),
        ("label", "N", "class of all pictures (in a grid, the default is each class in turn)"),
        ("dimensions", "LIST", "numbers of z to sweep, counted from 0, such as 0,5,10-19 (all)"),
        ("rows", "N", "number of ways from z to z in an interpolation (8)"),
        ("fps", "N", "pictures per second of a GIF (10)"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, help=help)
    parser.add_argument("--out", metavar="FILE|DIR", required=True, help="a .png or .gif file, or a folder of files")


@dataclass(frozen=True)
class View:
    """The pictures to draw, as asked for on the command line."""

    mode: str
    out: Path
    count: int
    seed: int = 0
    label: str | None = None
    dimensions: str | None = None
    rows: int = 8
    fps: int = 10

    @classmethod
    def take(cls, given: dict[str, Any]) -> View:
        """Take the options of a View out of those given (None: not given). UserError: one of them does not fit."""
        own = {name: given.pop(name) for name in cls.__dataclass_fields__}
        own = {name: value for name, value in own.items() if value is not None}
        mode = options.named("--mode", options.choice(*MODES), own.get("mode", "grid"))
        out = as_output(own["out"], MODES[mode].outs)
        for name in own:
            _require_taken(name, mode, out)
        numbers = {name: options.named(f"--{name}", NUMBERS[name], own[name]) for name in NUMBERS if name in own}
        count = options.named("--count", options.integer(MODES[mode].least), own.get("count", MODES[mode].count))
        return cls(**{**own, **numbers, "mode": mode, "out": out, "count": count})

    def number_of_class(self, config: Config) -> int | None:
        """Return --label as a number. UserError: the run has no such label, or the mode needs one."""
        if self.label is None and self.mode != "grid" and config.classes:
            raise UserError(f"--label: --mode {self.mode} is of one class: say which, 0 to {config.classes - 1}")
        return as_label(self.label, config)


def _require_taken(name: str, mode: str, out: Path) -> None:
    """Raise UserError for an option that this mode and output do not use."""
    others = [other for other in MODES if name in MODES[other].takes]
    if others and mode not in others:
        raise UserError(f"--{name}: goes with --mode {' or '.join(others)}, not with {mode}")
    if name == "fps" and out.suffix.lower() == ".png":
        raise UserError(f"--fps: {out} is no GIF")


def as_output(out: str, kinds: tuple[str, ...]) -> Path:
    """Return the path of a file with one of the endings, or of a folder (""). UserError: it is of another kind."""
    path = Path(out)
    ending = path.suffix.lower()
    if ((ending if ending in KINDS else "") not in kinds) or ending in OTHER_PICTURES:
        raise UserError(f"--out: got '{out}', expected {' or '.join(KINDS[kind] for kind in kinds)}")
    if path.is_dir() if ending in kinds and ending else path.is_file():
        raise UserError(f"--out: {out} is there already and is not a {'file' if path.is_dir() else 'folder'}")
    return path


def as_label(label: str | None, config: Config) -> int | None:
    """Return --label as a number. Raises UserError where the run has no labels, or not this one."""
    if label is None:
        return None
    if config.classes is None:
        raise UserError(f"--label: the networks of {config.preset} are not told labels")
    return options.named("--label", options.integer(0, config.classes - 1), label)
