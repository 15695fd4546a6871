"""The modes of dcgan.generate and the options that each takes: a table, and View, which holds them checked."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcgan import options
from dcgan.address import Address
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.picture_files import PICTURES, require_free
from dcgan.streams import shortened
from dcgan.trained import NETWORKS


@dataclass(frozen=True)
class Mode:
    """A --mode: the endings of its --out ("": a folder), its own options, and its least and its usual --count."""

    outs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    least: int = 2
    count: int = 16


MODES = {
    "grid": Mode((".png", ""), ("seeds", "address"), least=1, count=64),
    "sweep": Mode(("",), ("dimensions",)),
    "gif": Mode(("",), ("dimensions", "fps")),
    "merged-gif": Mode((".gif",), ("dimensions", "fps")),
    "interpolation": Mode((".png", ".gif"), ("rows", "fps")),
}
KINDS = {".png": "a .png file", ".gif": "a .gif file", "": "a folder"}
OTHER_PICTURES = tuple(ending for ending in PICTURES if ending not in KINDS)
CHECKED: dict[str, options.Kind] = {
    "seed": options.integer(0),
    "rows": options.integer(1),
    "fps": options.integer(1, 50),
    "scale": options.integer(1, 64),
    "weights": options.choice(*NETWORKS),
}
MOST = 1_000_000  # numbers in a list, of seeds say
NAMED = 20  # names of classes that an error lists


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a View, in two groups."""
    pictures, files = parser.add_argument_group("pictures"), parser.add_argument_group("files")
    for group, name, metavar, help in (
        (pictures, "mode", "NAME", f"kind of pictures: {', '.join(MODES)} (grid)"),
        (pictures, "count", "N", "number of pictures (64); on each sweep, or from one z to the next (16)"),
        (pictures, "seed", "N", "seed of the random z: another seed, other pictures (0)"),
        (pictures, "seeds", "LIST", "seeds such as 1,5-9 in a grid or a folder: the first picture of each"),
        (pictures, "address", "TEXT", "address of a picture to draw again, such as 0003-dcgan64_500_1_12"),
        (pictures, "label", "NAME|N", "class of all pictures (in a grid, the default is each class in turn)"),
        (pictures, "dimensions", "LIST", "numbers of z to sweep, counted from 0, such as 0,5,10-19 (all)"),
        (pictures, "weights", "NAME", "weights of G: ema, their moving average, or raw (ema where the run has it)"),
        (pictures, "rows", "N", "number of ways from z to z in an interpolation (8)"),
        (files, "out", "FILE|DIR", "a .png or .gif file, or a folder of files"),
        (files, "scale", "N", "enlargement: each pixel becomes N x N pixels (1; a GIF gets at least 128 rows)"),
        (files, "fps", "N", "pictures per second of a GIF (10)"),
    ):
        group.add_argument(f"--{name}", metavar=metavar, help=help, required=name == "out")
    help = "replace the file --out, or in the folder --out all pictures that this command wrote there before"
    files.add_argument("--overwrite", action="store_true", default=None, help=help)


@dataclass(frozen=True)
class View:
    """The pictures to draw, as asked for on the command line."""

    mode: str
    out: Path
    count: int
    seed: int = 0
    seeds: Sequence[int] | None = None
    address: Address | None = None
    label: str | None = None
    weights: str | None = None
    dimensions: str | None = None
    rows: int = 8
    fps: int = 10
    scale: int | None = None
    overwrite: bool = False

    @classmethod
    def take(cls, given: dict[str, Any]) -> View:
        """Take the options of a View out of those given (None: not given). UserError: one of them does not fit."""
        own = {name: given.pop(name) for name in cls.__dataclass_fields__}
        own = {name: value for name, value in own.items() if value is not None}
        mode = options.named("--mode", options.choice(*MODES), own.get("mode", "grid"))
        out = as_output(own["out"], MODES[mode].outs)
        for name in own:
            _require_taken(name, mode, out)
        if "address" in own:
            own |= _of_address(own)
        if "seeds" in own and (other := next((name for name in ("seed", "count") if name in own), None)):
            raise UserError(f"--seeds: each seed draws one picture, so --{other} has no use: leave one of the two out")
        own |= {name: options.named(f"--{name}", CHECKED[name], own[name]) for name in CHECKED if name in own}
        own["count"] = options.named("--count", options.integer(MODES[mode].least), own.get("count", MODES[mode].count))
        if "seeds" in own:
            own["seeds"] = as_seeds(own["seeds"])
        if not own.get("overwrite"):
            require_free(out)
        return cls(**{**own, "mode": mode, "out": out})

    def number_of_class(self, config: Config, names: Sequence[str] = ()) -> int | None:
        """Return --label as a number. UserError: the run has no such label, or the mode needs one."""
        if self.label is None and self.mode != "grid" and config.classes:
            which = classes_in_words(config, names)
            raise UserError(f"--label: --mode {self.mode} is of one class: say which, {which}")
        return as_label(self.label, config, names)


def _of_address(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an address says of a picture. UserError: it is none, or an option beside it says otherwise."""
    if other := next((name for name in ("seed", "seeds", "count", "label", "weights") if name in own), None):
        raise UserError(f"--address: names one picture, so --{other} has no use: leave one of the two out")
    address = Address.parse(own["address"])
    said = {"address": address, "seed": str(address.seed), "weights": address.weights, "count": "1"}
    return said if address.label is None else said | {"label": str(address.label)}


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
    _require_place(path, is_file=ending in kinds and ending != "")
    return path


def _require_place(path: Path, is_file: bool) -> None:
    """Raise UserError where a file, or a folder, cannot be made at a path: before anything is drawn."""
    try:
        there = [place for place in (path, *path.absolute().parents) if place.exists()]
    except OSError as error:  # such as a name that is too long
        raise UserError(f"--out: {shortened(str(path), options.QUOTED)}: {error.strerror}") from error
    if there[0] == path and not (path.is_file() if is_file else path.is_dir()):
        raise UserError(f"--out: {path} is there already and is not a {'file' if is_file else 'folder'}")
    home = there[1] if is_file and there[0] == path else there[0]  # what the file or the folder is made in
    if not home.is_dir():
        raise UserError(f"--out: {home} is a file, so there can be nothing in it")
    if not os.access(home, os.W_OK):
        raise UserError(f"--out: {home} may not be written to: permission denied")


def as_label(label: str | None, config: Config, names: Sequence[str] = ()) -> int | None:
    """Return --label, the name of a class or its number, as a number. UserError: the run has no labels, or not this."""
    if label is None:
        return None
    if config.classes is None:
        raise UserError(f"--label: the networks of {config.preset} are not told labels")
    if label in names:
        return list(names).index(label)
    if (named := _of_traits(label, names)) is not None:
        return named
    _require_all_traits(label, names)
    if names and not (label.isdecimal() and len(label) < 10 and int(label) < config.classes):
        raise UserError(f"--label: got '{label}', expected {classes_in_words(config, names)}")
    return options.named("--label", options.integer(0, config.classes - 1), label)


def _of_traits(label: str, names: Sequence[str]) -> int | None:
    """Return the class that a label says trait by trait, in any order; None where it names no class.

    Example: "Male=0,Smiling=1" is the class "no Male and Smiling", "breed=cat" is "cat".
    """
    given = _values(label)
    said = {"1": "{0}", "0": "no {0}", "-1": "no {0}"}
    for forms in ([said.get(value, "{1}").format(name, value) for name, value in given], [value for _, value in given]):
        wanted = sorted(forms)
        found = [number for number, name in enumerate(names) if sorted(name.split(" and ")) == wanted]
        if found:
            return found[0]
    return None


def _values(label: str) -> Sequence[tuple[str, str]]:
    """Return the traits in a label and their values: of "Male=0, Smiling=1" ("Male", "0") and ("Smiling", "1")."""
    parts = [trait.partition("=") for trait in label.split(",")]
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _require_all_traits(label: str, names: Sequence[str]) -> None:
    """Raise UserError for a label such as "Smiling=1" where the classes are of other traits, or of more."""
    traits = _traits(names)
    if "=" not in label or not traits:
        return
    values = dict(_values(label))
    missing = [trait for trait in traits if trait not in values]
    fitting = values.keys() <= set(traits) and set(values.values()) <= {"0", "1", "-1"}
    if missing and fitting:
        whole = ",".join([label, *(f"{trait}=0" for trait in missing)])
        are = "is" if len(missing) == 1 else "are"
        raise UserError(f"--label: got '{label}', but {', '.join(missing)} {are} missing: write such as {whole}")
    example = ",".join(f"{trait}={int(place == 0)}" for place, trait in enumerate(traits))
    raise UserError(f"--label: got '{label}', expected 0 or 1 for every trait, such as {example}")


def _traits(names: Sequence[str]) -> Sequence[str]:
    """Return the traits whose presence and absence tell classes of these names apart; () where other things do.

    Example: "no Male and no Smiling", "no Male and Smiling", "Male and no Smiling" and "Male and Smiling" have the
    traits Male and Smiling.
    """
    of_each = {tuple(part.removeprefix("no ") for part in name.split(" and ")) for name in names}
    traits = next(iter(of_each), ())
    return traits if len(of_each) == 1 and len(set(names)) == 2 ** len(traits) else ()


def classes_in_words(config: Config, names: Sequence[str]) -> str:
    """Return what --label may be, in words."""
    numbers = f"0 to {(config.classes or 1) - 1}"
    if not names:
        return numbers
    return f"{', '.join(names[:NAMED])}{', ...' if len(names) > NAMED else ''}, or {numbers}"


def as_seeds(text: str) -> list[int]:
    """Return the seeds of "1,5-9": [1, 5, 6, 7, 8, 9]. UserError: it is no such list."""
    seeds = number_list(text, 10**9 - 1)
    if seeds is None:
        raise UserError(f"--seeds: got '{text}', expected at most {MOST:,} seeds, such as 1,5-9")
    return seeds


def number_list(text: str, last: int) -> list[int] | None:
    """Return the numbers from 0 to `last` in a text such as "0,5,10-19", each once; None if it is no such text."""
    found: dict[int, None] = {}
    for part in text.split(","):
        begin, to, end = part.strip().partition("-")
        end = end if to else begin
        numbers = begin.isdecimal() and end.isdecimal() and len(begin) < 10 > len(end)
        if not (numbers and int(begin) <= int(end) <= last and int(end) - int(begin) < MOST - len(found)):
            return None
        found |= dict.fromkeys(range(int(begin), int(end) + 1))
    return list(found)
