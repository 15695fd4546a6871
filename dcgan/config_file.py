"""--config FILE: the options of a run from a file, a config.json or TOML.

    # options by their names, with underscores or dashes
    preset = "carpedm20"
    batch_size = 32
    image_size = "64x48"      # or [64, 48]
    flip = true
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dcgan import options, presets
from dcgan.config import Config, decoded, options_of_json
from dcgan.data.recipe import with_recipe
from dcgan.errors import UserError
from dcgan.options import option_name
from dcgan.presets.preset import OF_NETWORKS

OPTIONS = {item.name: item for item in fields(Config)}
FLAGS = {name for name, item in OPTIONS.items() if isinstance(item.default, bool)}
LOOKS_LIKE_JSON = re.compile(r"\s*(\{|\[(?![A-Za-z]))")  # an object or a list; "[train]" is a table of TOML
Found = list[tuple[str, str, Any]]  # (the place for error messages, the option's name, its value) of each option


def merged(path: str, given: Mapping[str, Any], resumed: bool) -> dict[str, Any]:
    """Return the options of a file with those given on the command line, a recipe's among them, over them.

    A config.json holds every option. A new run ignores those that its preset's networks do not use, if they equal the
    preset's own value. Raises UserError, which names the file, for an unknown option or a bad value.
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
        text = decoded(Path(path).read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8 (save it as such)"
        raise UserError(f"--config: cannot read {path}: {reason}") from error
    if LOOKS_LIKE_JSON.match(text):
        found = [(path, name, value) for name, value in options_of_json(text, path).items()]
    else:
        found = _of_toml(path, text)
    return {name: _checked(where, name, value) for where, name, value in found}


def _of_toml(path: str, text: str) -> Found:
    try:
        given = tomllib.loads(text)
    except RecursionError as error:
        raise UserError(f"{path} is no TOML: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise _refusal(path, text, error) from error
    found: Found = []
    for key, value in given.items():
        number, line = _line_of(key, text)
        where, name = f"{path}, line {number}", key.replace("-", "_")
        if key.startswith("--"):  # a key of TOML may begin with dashes, an option in a file does not
            raise UserError(f"{where}: {_as_toml(where, line)}")
        if isinstance(value, dict):
            raise UserError(f"{where}: got a table, '{line}', expected lines such as lr = 1e-4")
        if name in (earlier for _, earlier, _ in found):
            raise UserError(f"{where}: {name} is there twice, with a dash and with an underscore")
        found.append((where, name, value))
    return found


def _line_of(key: str, text: str) -> tuple[int, str]:
    """Return the number of the line, from 1, that begins with a key of TOML or with the head of its table; its text."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}(?![\w-])""")
    lines = text.split("\n")
    number = next((i for i, line in enumerate(lines, 1) if begins.match(line)), 1)
    return number, lines[number - 1].strip()


def _refusal(path: str, text: str, error: tomllib.TOMLDecodeError) -> UserError:
    """Return the error that names the line which is no TOML and, if its meaning is clear, says it in TOML."""
    lines = text.rstrip().split("\n")
    place = re.search(r"at line (\d+)", str(error))
    number = min(int(place[1]) if place else len(lines), len(lines))  # without a place: at the end of the text
    where, line = f"{path}, line {number}", lines[number - 1].strip()
    return UserError(f"{where}: {_as_toml(where, line, str(error))}")


def _as_toml(where: str, line: str, otherwise: str = "") -> str:
    """Return "got '--flip', expected TOML: write flip = true" for a line as one would type it on the command line.

    Understands "--flag value", "--flag=value", "flag = word", YAML's "flag: value", "--flag" and "--no-flag". For a
    line that is TOML (and is wrong for another reason, such as being there twice) or none of these, return `otherwise`
    instead. Raises UserError for no option or a bad value.
    """
    match = re.fullmatch(r"(?:--)?([A-Za-z][\w-]*)(?:\s*[=:]\s*|\s+|$)(.*)", line)
    if match is None or (not line.startswith("--") and _is_toml(line)):
        return f"got '{line}', expected TOML such as lr = 1e-4 ({otherwise})"
    name, value = match[1].replace("-", "_"), match[2].strip("'\"")
    positive = name.removeprefix("no_")
    if positive in FLAGS and "=" not in line and not value:
        return f"got '{line}', expected TOML: write {positive} = {'true' if positive == name else 'false'}"
    if not value and name in OPTIONS:
        raise UserError(f"{where}: {option_name(name)}: expected a value")
    meant = {"true": True, "false": False}.get(value.lower(), value) if name in FLAGS else value
    checked = _checked(where, name, meant)
    written = checked if isinstance(checked, int | float) else value  # numbers and flags; all else is a string
    return f"got '{line}', expected TOML: write {name} = {json.dumps(written, ensure_ascii=False)}"


def _is_toml(line: str) -> bool:
    try:
        tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _checked(where: str, name: str, value: Any) -> Any:
    """Return the value of an option as Config would have it. UserError: no option of that name, or a bad value."""
    if name not in OPTIONS:
        raise UserError(f"{where}: unknown option {name}{options.meant(name, OPTIONS)}")
    if value is None and OPTIONS[name].default is None:
        return None
    try:
        value = options.named(option_name(name), OPTIONS[name].metadata["kind"], value)
        if name == "preset":
            presets.find(value)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return value


def _for_preset(path: str, found: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without those that the networks do not use. UserError: one of them asks for a change."""
    preset = given.get("preset", found.get("preset", Config.preset))
    follows, own = presets.find(preset).follows, presets.config_of({"preset": preset})
    unused = {name for name in OF_NETWORKS if name in found and name not in follows}
    try:
        presets.settings(preset, {name: found[name] for name in unused if found[name] != getattr(own, name)})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return {name: value for name, value in found.items() if name not in unused}
