"""Reads files of a run folder that may come from anybody: none outside of the folder, and none without an end."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TypeVar

from dcgan.config import decoded
from dcgan.errors import UserError

MOST_BYTES = 2**22  # of a file that is read whole
T = TypeVar("T", dict, list)


def require_inside(folder: Path, path: Path) -> Path:
    """Return the path of an ordinary file that really lies in the folder. Raises UserError, which says what is wrong.

    A link may lead to any file of this machine, whose content would then stand in a page that is passed on; reading a
    named pipe would wait for ever.
    """
    name = path.relative_to(folder)
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
    except FileNotFoundError:
        raise UserError(f"{name} is missing") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise UserError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not real.is_relative_to(folder.resolve()):
        raise UserError(f"{name} is left out: it is a link that leads out of the run folder")
    if not stat.S_ISREG(mode):
        raise UserError(f"{name} is left out: it is no ordinary file")
    return real


def read_bytes(folder: Path, path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the content of a file of the folder. UserError: it is missing, somewhere else, unreadable or too large."""
    real = require_inside(folder, path)
    try:
        with open(real, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{path.relative_to(folder)} cannot be read: {error.strerror or error}") from error
    if len(content) > most:
        raise UserError(f"{path.relative_to(folder)} is left out: it is larger than {most / 2**20:,.0f} MiB")
    return content


def read_text(folder: Path, path: Path) -> str:
    """Return the text of a file of the folder. Raises UserError as `read_bytes`, and where it is no text."""
    try:
        return decoded(read_bytes(folder, path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path.relative_to(folder)} is no text in UTF-8") from error


def read_json(folder: Path, path: Path, kind: type[T]) -> T:
    """Return the object (dict) or the list of a JSON file of the folder. UserError: as `read_text`, or no such JSON."""
    text = read_text(folder, path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.relative_to(folder)} is damaged: it is no JSON") from error
    if not isinstance(found, kind):
        expected = "an object" if kind is dict else "a list"
        raise UserError(f"{path.relative_to(folder)} is damaged: expected {expected}")
    return found
