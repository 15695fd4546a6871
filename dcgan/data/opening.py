"""open_source: from what the user typed after --data to a source.

path          None: built-in drawn faces of this seed; else anything that docs/data.md lists: a folder or .zip of
              picture files, idx, CIFAR-10, .npy, .npz, LMDB, an .h5 file of dcgan.prepare or FILE.h5:DATASET
crop          see Recipe.box; one number: a square
channels      1 or 3; None: 1 where the pictures are grey, else 3; see decode for colours
memory_limit  bytes that may be held in memory (default: a quarter of the machine's, at least 1 GiB); images that
              take more, and sets of over 10,000 files, are kept as HDF5 in cache_dir (default ~/.cache/dcgan);
              of so many files the source is a GrowingSource, which decodes them while it is used
workers       decoding threads (default: one per core)
pattern       of the files wanted, such as '*.png'; train_size: at most so many images, spread over the data
labels        auto, folder or none: see dcgan.data.formats.labels
Raises UserError, one line, for anything that cannot be opened or holds no image.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dcgan.data.faces.source import COUNT, FacesSource
from dcgan.data.formats.listing import Listing
from dcgan.data.formats.recognise import is_packed, list_images
from dcgan.data.formats.selection import Choice
from dcgan.data.limits import default_memory_limit
from dcgan.data.recipe import Recipe
from dcgan.data.source import Source
from dcgan.data.storage.cache import cache_path, forget_older, no_cache
from dcgan.data.storage.decode_ahead import Job
from dcgan.data.storage.growing import GrowingSource
from dcgan.data.storage.packed import PackedSource
from dcgan.data.storage.packing import pack
from dcgan.data.storage.reading import read_into_memory, with_channels
from dcgan.data.storage.store import Store
from dcgan.options import Size

CACHE_FROM = 10_000  # files; decoding fewer takes seconds: training waits for them, and they leave no cache


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
    pattern: str | None = None,
    labels: str = "auto",
    train_size: int | None = None,
) -> Source:
    """The images of `path`, each brought to image_size (H, W); the arguments stand at the top of this page."""
    crop = (crop, crop) if isinstance(crop, int) else crop
    memory_limit = default_memory_limit() if memory_limit is None else memory_limit
    choice = Choice(pattern, labels, train_size)
    if path is not None and is_packed(path):
        return open_packed(Path(path), image_size, crop, channels, memory_limit, choice)
    recipe = Recipe(image_size or (64, 64), crop, channels)
    if path is None:
        return FacesSource(recipe.image_size, channels or 3, seed, min(train_size or COUNT, COUNT), memory_limit)
    return open_files(path, recipe, choice, cache_dir, memory_limit, workers, progress)


def open_files(
    path: str | os.PathLike,
    recipe: Recipe,
    choice: Choice,
    cache_dir: str | os.PathLike | None,
    memory_limit: int,
    workers: int | None,
    progress: bool,
) -> Source:
    """Pictures to decode: very many while they are used, fewer now, into memory where they fit, else into a cache."""
    listing = list_images(path, choice)
    recipe = with_channels(listing, recipe)
    growing = len(listing) > CACHE_FROM and not listing.quick
    cached = cache_path(listing, recipe, path, choice, cache_dir, growing)
    if growing:
        return open_growing(listing, recipe, cached, path, choice, memory_limit, workers)
    if len(listing) * int(np.prod(recipe.shape)) <= memory_limit:
        return closing(listing, read_into_memory(listing, recipe, str(path), workers, progress))
    return closing(listing, open_cached(listing, recipe, cached, str(path), workers, progress))


def closing(listing: Listing, source: Source) -> Source:
    """The source, which no longer needs the listing's files."""
    listing.close()
    return source


def open_packed(
    path: Path, image_size: Size | None, crop: Size | None, channels: int | None, memory_limit: int, choice: Choice
) -> Source:
    """A packed file, in memory where it fits."""
    source = PackedSource(path, None, choice)
    source.require(image_size, crop, channels)
    return source.in_memory() if int(np.prod(source.shape)) <= memory_limit else source


def open_cached(
    listing: Listing,
    recipe: Recipe,
    cached: Path,
    what: str,
    workers: int | None,
    progress: bool,
) -> Source:
    """The images by way of a packed file in the cache folder, made now unless it is there and still true."""
    try:
        if not cached.exists():
            pack(listing, recipe, cached, workers, progress)
            forget_older(cached)
    except OSError as error:
        raise no_cache(cached, error) from None
    return PackedSource(cached, what)


def open_growing(
    listing: Listing,
    recipe: Recipe,
    cached: Path,
    path: str | os.PathLike,
    choice: Choice,
    memory_limit: int,
    workers: int | None,
) -> GrowingSource:
    """Many picture files: training starts now, and they are decoded into a file in the cache folder meanwhile."""
    job: Job | None = Job(os.path.abspath(path), choice, listing.version, recipe, os.path.abspath(cached), workers)
    try:
        store = Store(len(listing), recipe, cached)
        forget_older(cached)
    except OSError as error:
        if len(listing) * int(np.prod(recipe.shape)) > memory_limit:
            raise no_cache(cached, error) from None
        store, job = Store(len(listing), recipe), None  # a cache is a convenience then: go without
    return GrowingSource(listing, recipe, os.fspath(path), store, job)
