"""open_source: from what the user typed after --data to a source."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy as np

from dcgan.data import packed
from dcgan.data.faces import FacesSource
from dcgan.data.listing import LOOKED_FOR, FolderListing, Listing, ZipListing, digest
from dcgan.data.packed import PackedSource
from dcgan.data.packing import pack
from dcgan.data.reading import read_into_memory, with_channels
from dcgan.data.recipe import Recipe, Size
from dcgan.data.source import Source
from dcgan.errors import UserError

CACHE_FROM = 10_000  # files; decoding fewer takes seconds, so only larger sets leave a cache behind


def open_source(
    path: str | os.PathLike | None,
    image_size: Size | None = (64, 64),
    crop: Size | int | None = None,
    channels: int | None = None,
    seed: int = 0,
    cache_dir: str | os.PathLike | None = None,
    memory_limit: int | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Source:
    """The images of `path`, each brought to image_size (H, W): see Recipe.box for crop and size, decode for colours.

    path          None: built-in drawn faces of this seed; a folder; a .zip; an .h5 file of dcgan.prepare
    channels      1 or 3; None: 1 where the pictures are grey, else 3
    memory_limit  bytes that may be held in memory (default: a quarter of the machine's, at least 1 GiB); images that
                  take more, and sets of over 10,000 files, are kept as HDF5 in cache_dir (default ~/.cache/dcgan)
    workers       decoding threads (default: one per core)
    Raises UserError, one line, for anything that cannot be opened or holds no image.
    """
    crop = (crop, crop) if isinstance(crop, int) else crop
    if memory_limit is None:
        memory_limit = default_memory_limit()
    if path is not None and Path(path).suffix.lower() in packed.SUFFIXES:
        return open_packed(existing(path), image_size, crop, channels, memory_limit)
    recipe = Recipe(image_size or (64, 64), crop, channels)
    if path is None:
        return FacesSource(recipe.image_size, channels or 3, seed, memory_limit=memory_limit)
    listing = list_pictures(existing(path))
    recipe = with_channels(listing, recipe)
    nbytes = len(listing) * int(np.prod(recipe.shape))
    if nbytes <= memory_limit and len(listing) <= CACHE_FROM:
        return read_into_memory(listing, recipe, str(path), workers, progress)
    return open_cached(listing, recipe, Path(path), cache_dir, memory_limit, workers, progress)


def existing(path: str | os.PathLike) -> Path:
    """The path, if there is anything."""
    if not str(path) or not Path(path).exists():
        raise UserError(
            f"no such file or folder: {str(path)!r}; --data takes a folder of images, a .zip of images "
            "or an .h5 file made by python -m dcgan.prepare"
        )
    return Path(path)


def list_pictures(path: Path) -> Listing:
    """The picture files of a folder or a .zip."""
    if path.is_dir():
        return FolderListing(path)
    if path.suffix.lower() == ".zip":
        return ZipListing(path)
    raise UserError(
        f"{path} is neither a folder, nor a .zip, nor an .h5 file; put images ({LOOKED_FOR}) into a folder "
        "and give that"
    )


def open_packed(
    path: Path, image_size: Size | None, crop: Size | None, channels: int | None, memory_limit: int
) -> Source:
    """A packed file, in memory where it fits."""
    source = PackedSource(path)
    source.require(image_size, crop, channels)
    return source.in_memory() if int(np.prod(source.shape)) <= memory_limit else source


def open_cached(
    listing: Listing,
    recipe: Recipe,
    path: Path,
    cache_dir: str | os.PathLike | None,
    memory_limit: int,
    workers: int | None,
    progress: bool,
) -> Source:
    """The images by way of a packed file in the cache folder, made now unless it is there and still true."""
    cached = cache_path(listing, recipe, path, cache_dir)
    fits = len(listing) * int(np.prod(recipe.shape)) <= memory_limit
    try:
        if not cached.exists():
            pack(listing, recipe, cached, workers, progress)
            forget_older(cached)
    except OSError as error:
        if fits:  # a cache is a convenience then: go without
            return read_into_memory(listing, recipe, str(path), workers, progress)
        raise UserError(
            f"the images do not fit into memory and the cache {cached} can't be written ({error}): free "
            "some space, or set XDG_CACHE_HOME to a folder that can be written"
        ) from None
    source = PackedSource(cached, str(path))
    return source.in_memory() if fits else source


def cache_path(listing: Listing, recipe: Recipe, path: Path, cache_dir: str | os.PathLike | None) -> Path:
    """cache/NAME-<data and recipe>-<content>.h5"""
    folder = Path(cache_dir or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcgan")
    key = digest([path.resolve(), recipe.to_json()])
    return folder / f"{path.resolve().stem}-{key}-{listing.version}.h5"


def forget_older(cached: Path) -> None:
    """Remove what the cache kept of the same data and recipe before the content changed."""
    prefix = cached.name.rsplit("-", 1)[0] + "-"
    for other in cached.parent.iterdir():
        if other.name.startswith(prefix) and other != cached:
            other.unlink(missing_ok=True)


def default_memory_limit() -> int:
    """A quarter of the memory that the machine or the container grants, at least 1 GiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0  # unknown on this system
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return max(memory // 4, 2**30)
