"""What is asked of the data: which of its pictures, and what is done to each before it is kept.

A recipe (`Recipe`) is a size, a crop and a number of channels; `--recipe NAME` takes one from the table RECIPES. This
file imports neither NumPy nor Pillow, so that the command line can read the table at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dcgan.errors import UserError
from dcgan.options import Size, choice, named

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels, as Pillow counts

# How the well-known data sets are cut and sized. Without a crop the shorter side is resized and the centre kept.
RECIPES: dict[str, dict[str, Any]] = {
    "celeba": {"crop": (108, 108), "image_size": (64, 64), "channels": 3},  # the aligned 178x218 faces, face only
    "celeba28": {"crop": (108, 108), "image_size": (28, 28), "channels": 3},
    "anime96": {"image_size": (96, 96), "channels": 3},
    "mnist": {"image_size": (28, 28), "channels": 1},
    "lsun": {"image_size": (64, 64), "channels": 3},
}


@dataclass(frozen=True)
class Recipe:
    """Image size (H, W), centre crop (h, w) or None, and 1 or 3 channels (None: not known yet)."""

    image_size: Size
    crop: Size | None = None
    channels: int | None = None

    def __post_init__(self):
        for name, size in (("image size", self.image_size), ("crop", self.crop)):
            if size is not None and not (len(size) == 2 and all(1 <= n <= 8192 for n in size)):
                raise UserError(f"{name} {size}: expected a height and a width from 1 to 8192")
        if self.channels not in (None, 1, 3):
            raise UserError(f"{self.channels} channels: expected 1 (grey) or 3 (RGB)")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a finished image."""
        return (*self.image_size, self.channels or 3)

    def box(self, width: int, height: int) -> Box:
        """The part of a width x height picture that becomes the image.

        With a crop: the centred h x w rectangle, cut down where the picture is smaller; it is then stretched to the
        image size. Without: the largest centred rectangle of the image's aspect, so nothing is stretched (the same as
        resizing the shorter side and then cropping the centre).
        Example: of a 178x218 picture a crop of (108, 108) takes the box (35, 55, 143, 163).
        """
        if self.crop:
            h, w = min(self.crop[0], height), min(self.crop[1], width)
            left, top = (width - w) // 2, (height - h) // 2
            return left, top, left + w, top + h
        scale = min(width / self.image_size[1], height / self.image_size[0])
        margin_x = max(0.0, (width - scale * self.image_size[1]) / 2)
        margin_y = max(0.0, (height - scale * self.image_size[0]) / 2)
        return margin_x, margin_y, width - margin_x, height - margin_y

    def to_json(self) -> str:
        """The recipe as JSON text; it is written into packed files and hashed into the names of cache files."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True)
class Choice:
    """Which pictures and labels of the data are wanted. Its text is hashed into the names of cache files.

    pattern     only pictures whose path or name matches, such as '*.png'; None: all
    labels      auto, folder or none, see dcgan.data.formats.labels; FILE[:COLUMN], see label_files there; :COLUMN
    train_size  at most so many pictures; None: all
    """

    pattern: str | None = None
    labels: str = "auto"
    train_size: int | None = None


ALL = Choice()
TABLES = (".csv", ".tsv", ".txt")  # endings of tables of labels


def label_table(labels: str) -> tuple[str, str | None] | None:
    """Return (file, columns or None) of what was typed after --labels; None where it names no table.

    Example: "a.csv:breed" is ("a.csv", "breed").
    """
    if labels.lower().endswith(TABLES):
        return labels, None
    front, colon, columns = labels.rpartition(":")
    return (front, columns) if colon and columns and front.lower().endswith(TABLES) else None


def label_column(labels: str) -> str | None:
    """Return the name of a column of the data itself, "breed" of ":breed"; None where --labels names none."""
    return labels[1:] if labels.startswith(":") and len(labels) > 1 and label_table(labels) is None else None


def absolute(labels: str) -> str:
    """Return --labels with the full path of its table, so that it means the same in another folder."""
    found = label_table(labels)
    return ":".join([os.path.abspath(found[0]), *filter(None, [found[1]])]) if found else labels


@dataclass(frozen=True)
class Wanted:
    """All that is asked for: a path as the user typed it, which of its pictures, and what is done to each."""

    path: str | os.PathLike
    choice: Choice
    recipe: Recipe


def find(name: str) -> dict[str, Any]:
    """Return the settings of `--recipe NAME`. Raises UserError with the names there are."""
    return RECIPES[named("--recipe", choice(*RECIPES), name)]


def with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options given, over the settings of the recipe among them if there is one."""
    return {**(find(given["recipe"]) if given.get("recipe") else {}), **given}
