"""The recipes: how the well-known data sets are cut and sized, by name. Options given on the command line win."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dcgan.errors import UserError

# Without a crop the shorter side is resized and the centre kept.
RECIPES: dict[str, dict[str, Any]] = {
    "celeba": {"crop": (108, 108), "image_size": (64, 64), "channels": 3},  # the aligned 178x218 faces, face only
    "celeba28": {"crop": (108, 108), "image_size": (28, 28), "channels": 3},
    "anime96": {"image_size": (96, 96), "channels": 3},
    "mnist": {"image_size": (28, 28), "channels": 1},
    "lsun": {"image_size": (64, 64), "channels": 3},
}


def find(name: str) -> dict[str, Any]:
    """Return a recipe's settings. Raises UserError naming those there are."""
    if name not in RECIPES:
        raise UserError(f"--recipe: got '{name}', expected one of {', '.join(RECIPES)}")
    return RECIPES[name]


def with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options given, over the settings of the recipe among them if there is one."""
    return {**(find(given["recipe"]) if given.get("recipe") else {}), **given}
