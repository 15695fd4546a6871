"""--config FILE: the options of a run from a file, a config.json or lines as one would type them.

# lines like these; an option more than once: the last one
--preset carpedm20
--batch-size=32
image_size = 64x48
--flip
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dcgan import options, presets
from dcgan.config import Config
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.options import option_name
from dcgan.presets.preset import OF_NETWORKS

OPTIONS = {item.name: item for item in fields(Config)}


def merged(path: str, given: Mapping[str, Any], resumed: bool) -> dict[str, Any]:
    """Return the options of a file with those given on the command line, a recipe's among them, over them.

    A config.json holds every option; for a new run those that its preset's networks do not read are left out where they
    say what the preset does anyway. Raises UserError, which names the file, for what is no option or a bad value.
    """
    found = read(path)
    if "epochs" in given and "steps" not in given:
        found.pop("steps", None)  # steps would win over the epochs just asked for
    if not resumed:
        found = _for_preset(path, found, given)
    return {**found, **with_recipe(given)}


def read(path: str) -> dict[str, Any]:
    """Return the options of a file, checked. Raises UserError, which names the file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"--config: cannot read {path}: {reason}") from error
    found = _of_json(path, text) if text.lstrip().startswith(("{", "[")) else _of_lines(path, text)
    checked = {}
    for where, name, value in found:
        if name not in OPTIONS:
            raise UserError(f"{where}: unknown option {name}")
        checked[name] = None if value is None and OPTIONS[name].default is None else _checked(where, name, value)
    return checked


def _of_json(path: str, text: str) -> list[tuple[str, str, Any]]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise UserError(f"{path}: got a {type(given).__name__}, expected an object of options")
    return [(path, name, value) for name, value in given.items()]


def _of_lines(path: str, text: str) -> list[tuple[str, str, Any]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and not line.startswith("#"):
            where = f"{path}, line {number}"
            found.append((where, *_of_line(where, line)))
    return found


def _of_line(where: str, line: str) -> tuple[str, Any]:
    """Return the name and the value of "--flag value", "--flag=value", "flag = value", "--flag" or "--no-flag"."""
    cut = min((line.find(sign) for sign in "= \t" if sign in line), default=len(line))
    typed, value = line[:cut], line[cut:].strip().removeprefix("=").strip()
    name = typed.removeprefix("--").replace("-", "_")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    positive = name.removeprefix("no_")
    if not value and "=" not in line and positive in OPTIONS and isinstance(OPTIONS[positive].default, bool):
        return positive, positive == name
    if name in OPTIONS and isinstance(OPTIONS[name].default, bool):
        return name, {"true": True, "false": False}.get(value.lower(), value)
    if not value and name in OPTIONS:
        raise UserError(f"{where}: {option_name(name)}: expected a value")
    return name, value


def _checked(where: str, name: str, value: Any) -> Any:
    try:
        value = options.named(option_name(name), OPTIONS[name].metadata["kind"], value)
        if name == "preset":
            presets.find(value)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return value


def _for_preset(path: str, found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those that the networks do not read; UserError: one of them asks for a change."""
    preset = given.get("preset", found.get("preset", Config.preset))
    follows, own = presets.find(preset).follows, Config.from_options({"preset": preset})
    unread = {name for name in OF_NETWORKS if name in found and name not in follows}
    try:
        presets.settings(preset, {name: found[name] for name in unread if found[name] != getattr(own, name)})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return {name: value for name, value in found.items() if name not in unread}
