"""Boxes drawn on samples: number of the picture, left, top, right, bottom in pixels, right and bottom excluded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from dcgan.config import decoded
from dcgan.errors import UserError
from dcgan.experiments.picking import MOST
from dcgan.options import QUOTED
from dcgan.streams import shortened

FORM = "number:left,top,right,bottom in pixels, such as 3:10,12,30,28"
LARGEST = 2**20  # bytes of a file of boxes


class Box(NamedTuple):
    """A box on the picture of this number, counted from 1."""

    number: int
    left: int
    top: int
    right: int
    bottom: int


def from_words(words: Iterable[str], size: tuple[int, int]) -> list[Box]:
    """Return the boxes of texts such as "3:10,12,30,28". UserError: one is none, or outside a picture (H, W)."""
    return [_box("--box", word, word.replace(":", ",", 1).split(","), size) for word in words]


def from_file(path: Path, size: tuple[int, int]) -> list[Box]:
    """Return the boxes of a .json file, a list of lists, or of a .csv file. UserError: it holds no such thing."""
    if not path.is_file():
        raise UserError(f"--boxes: no such file: {path}")
    if path.stat().st_size > LARGEST:
        raise UserError(f"--boxes: {path} has over {LARGEST:,} bytes")
    try:
        text = decoded(path.read_bytes())
        rows: Any = json.loads(text) if path.suffix.lower() == ".json" else list(csv.reader(io.StringIO(text)))
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"--boxes: {path} is neither JSON nor CSV: {error}") from None
    if not isinstance(rows, list):
        raise UserError(f"--boxes: {path}: expected a list of boxes, [number, left, top, right, bottom] each")
    rows = [row for row in rows if row != [] and row != list(Box._fields)]  # without the names of the columns
    return [_box(f"--boxes: {path}", str(row), row, size) for row in rows]


def _box(where: str, text: str, parts: Any, size: tuple[int, int]) -> Box:
    """Return a box of five whole numbers. Raises UserError."""
    try:
        box = Box(*(int(str(part)) for part in parts))
    except (TypeError, ValueError):
        raise UserError(f"{where}: got '{shortened(text, QUOTED)}', expected {FORM}") from None
    inside = 0 <= box.left < box.right <= size[1] and 0 <= box.top < box.bottom <= size[0]
    if not inside or not 1 <= box.number <= MOST:
        limits = f"a box inside a picture {size[0]} high and {size[1]} wide"
        raise UserError(f"{where}: got '{shortened(text, QUOTED)}', expected {FORM}: {limits}")
    return box
