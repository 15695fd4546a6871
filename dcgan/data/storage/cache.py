"""The cache folder: what a file in it is called, and when it goes."""

from __future__ import annotations

import os
from pathlib import Path

from dcgan.data.formats.listing import Listing, digest
from dcgan.data.limits import Room
from dcgan.data.recipe import ALL, Wanted
from dcgan.errors import UserError

MOST_NAME = 150  # bytes of NAME: a file's name has at most 255


def cache_path(listing: Listing, wanted: Wanted, room: Room, growing: bool) -> Path:
    """The file NAME-KEY-VERSION.h5 in the cache folder, by default ~/.cache/dcgan.

    NAME is that of the data, KEY a hash of what is wanted, VERSION that of the listing. A file that is filled while
    training runs (growing) has another layout than a packed one, so another KEY.
    Example: celeba-ca13f99556a06ab52bd88ac2-fe3d478305dcdc2f6455be25.h5.
    """
    place, choice = Path(wanted.path).resolve(), [] if wanted.choice == ALL else [wanted.choice]
    key = digest([place, wanted.recipe.to_json(), *choice, *(["growing"] if growing else [])])
    name = os.fsdecode(os.fsencode(place.stem)[:MOST_NAME])
    return cache_folder(room.cache_dir) / f"{name}-{key}-{listing.version}.h5"


def cache_folder(given: str | os.PathLike | None = None) -> Path:
    """The folder for what is made once and kept: the given one, else dcgan in XDG_CACHE_HOME or in ~/.cache."""
    return Path(given or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcgan")


def forget_older(cached: Path) -> None:
    """Remove the files of the same NAME and KEY: the data has changed since they were written.

    What another process may just be making for the same data stays: OUT.part, and files of a temporary name.
    """
    prefix, own = cached.name.rsplit("-", 1)[0] + "-", (cached.name, cached.name + ".part")
    for other in cached.parent.iterdir():
        if other.name.startswith(prefix) and other.name.endswith((".h5", ".h5.part")) and other.name not in own:
            other.unlink(missing_ok=True)


def no_cache(cached: Path, error: OSError) -> UserError:
    """The error for images that have to go into the cache where it can't be written."""
    return UserError(
        f"the images do not fit into memory and the cache {cached} can't be written ({error}): free "
        "some space, or set XDG_CACHE_HOME to a folder that can be written"
    )
