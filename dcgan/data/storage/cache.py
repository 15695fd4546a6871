"""The cache folder: what a file in it is called, and when it goes."""

from __future__ import annotations

import os
from pathlib import Path

from dcgan.data.formats.folder import digest
from dcgan.data.formats.listing import Listing
from dcgan.data.formats.recognise import ALL
from dcgan.data.formats.selection import Choice
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError


def cache_path(
    listing: Listing,
    recipe: Recipe,
    path: str | os.PathLike,
    choice: Choice,
    cache_dir: str | os.PathLike | None,
    growing: bool,
) -> Path:
    """cache/NAME-<data and recipe>-<content>.h5; of a store (growing) and of packed images not the same."""
    folder = Path(cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcgan")
    place = Path(path).resolve()
    key = digest([place, recipe.to_json(), *([] if choice == ALL else [choice]), *(["growing"] if growing else [])])
    return folder / f"{place.stem}-{key}-{listing.version}.h5"


def forget_older(cached: Path) -> None:
    """Remove what the cache kept of the same data and recipe before the content changed."""
    prefix = cached.name.rsplit("-", 1)[0] + "-"
    for other in cached.parent.iterdir():
        if other.name.startswith(prefix) and other != cached:
            other.unlink(missing_ok=True)


def no_cache(cached: Path, error: OSError) -> UserError:
    """What is said where images have to go into a cache and there can be none."""
    return UserError(
        f"the images do not fit into memory and the cache {cached} can't be written ({error}): free "
        "some space, or set XDG_CACHE_HOME to a folder that can be written"
    )
