"""Config: every option of a run, its default, its check and its help, in one table; a page for each group of options.

The command line is made from this table, `config.json` in the run folder is this table filled in, and every checkpoint
holds a copy. Defaults are those of the preset `dcgan64`; another preset's settings replace them, a recipe's settings
replace those, and options given on the command line replace all (`presets.config_of`).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from dcgan import options
from dcgan.config.files import Files
from dcgan.config.loss import Loss
from dcgan.config.machine import Machine
from dcgan.config.networks import Choices, Networks
from dcgan.config.pictures import Pictures
from dcgan.config.training import Training
from dcgan.config.views import Views
from dcgan.errors import UserError
from dcgan.options import option_name

# The groups that --help shows the options in, in this order.
GROUPS = {
    "pictures": Pictures,
    "machine": Machine,
    "files of the run": Files,
    "networks": Networks,
    "networks, where a preset leaves the choice": Choices,
    "training": Training,
    "what D sees": Views,
    "loss": Loss,
}

# The marks of text files in UTF-16 and UTF-32; that of UTF-32 begins with that of UTF-16, so it comes first.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
# The fields of the last base come first: the pictures' here.
class Config(Loss, Views, Training, Choices, Networks, Files, Machine, Pictures):
    """Every option of a run, group by group (GROUPS). Values may be given as text; a bad one raises UserError."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None or item.default is not None:
                checked = options.named(option_name(item.name), item.metadata["kind"], value)
                object.__setattr__(self, item.name, checked)

    def to_json(self) -> str:
        """Return the options as JSON text, one a line."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Config:
        """Return the config of a `to_json` file. UserError, which names the file: it cannot be read, or see below."""
        try:
            text = decoded(path.read_bytes())
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is no text in UTF-8") from error
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}") from error
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: str, origin: str = "config.json") -> Config:
        """Return the config of a `to_json` text. UserError: no JSON object, an unknown option or a bad value."""
        given = options_of_json(text, origin)
        try:
            return cls(**given)
        except UserError as error:
            raise UserError(f"{origin}: {error}") from error


def require_known(names: Iterable[str]) -> None:
    """Raise UserError for a name that is no option; it says which one may be meant."""
    known = [item.name for item in fields(Config)]
    for name in names:
        if name not in known:
            raise UserError(f"unknown option {name}{options.meant(name, known)}")


def decoded(content: bytes) -> str:
    """Return the text of a file that an editor wrote: in UTF-8, or in UTF-16 or UTF-32 with its mark in front.

    Every end of a line becomes one newline. Raises UnicodeDecodeError for any other encoding.
    """
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8-sig")
    return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def options_of_json(text: str, origin: str) -> dict[str, Any]:
    """Return the options in a JSON text, unchecked. UserError, which names the origin: no object, or unknown ones."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{origin} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise UserError(f"{origin}: got a {type(given).__name__}, expected an object of options")
    unknown = sorted(set(given) - {item.name for item in fields(Config)})
    if unknown:
        raise UserError(f"{origin}: unknown option {', '.join(unknown)}; was it written by a newer version?")
    return given
