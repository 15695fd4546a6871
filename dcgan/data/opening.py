"""open_source: from what the user typed after --data to a source.

path          None: built-in drawn faces of this seed; else anything that docs/data.md lists: a folder, .zip
              or .tar of picture files, idx, CIFAR-10, .npy, .npz, LMDB, an .h5 file of dcgan.prepare or FILE.h5:DATASET
image_size    (H, W) of an image; None: that of a packed file, else (64, 64)
crop          see Recipe.box; one number: a square
crop_larger   a crop of those pictures that are at least as large; `crop` wins over it
channels      1 or 3; None: 1 where the pictures are grey, else 3; see decode for colours
cache_dir     where images go that are not held in memory (default ~/.cache/dcgan)
memory_limit  bytes that may be held in memory (default: a quarter of the machine's, at least 1 GiB); images that
              take more are packed into cache_dir before training. Of over 10,000 files the source is a GrowingSource,
              which decodes them into cache_dir while training runs
workers       decoding threads (default: one per core)
progress      whether to show a progress bar
pattern       only files that match, such as '*.png'
labels        auto, folder or none: see dcgan.data.formats.labels; a table of them, as in labels.csv:breed
train_size    at most so many images, spread over the data
Raises UserError, one line, for anything that cannot be opened or holds no image.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from dcgan.data.faces.source import COUNT, FacesSource
from dcgan.data.formats.listing import Listing
from dcgan.data.formats.recognise import chosen, is_packed, recognise, split
from dcgan.data.limits import Room, default_memory_limit
from dcgan.data.recipe import Choice, Recipe, Wanted, absolute
from dcgan.data.source import Source
from dcgan.data.storage.cache import cache_path, forget_older, no_cache
from dcgan.data.storage.decode_ahead import Job
from dcgan.data.storage.growing import GrowingSource
from dcgan.data.storage.packed import PackedSource
from dcgan.data.storage.packing import pack
from dcgan.data.storage.reading import fingerprint, quiet_pillow, read_into_memory, with_channels
from dcgan.data.storage.store import Store
from dcgan.errors import UserError
from dcgan.options import Size, size_text

LOOKED_AT = 16  # pictures, spread over the data, whose sizes say what a crop would do
CELEBA = (218, 178)  # height and width of CelebA's aligned faces
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
    crop_larger: Size | None = None,
) -> Source:
    """The images of `path`, each brought to image_size (H, W); the arguments stand at the top of this page."""
    recipe = Recipe(image_size or (64, 64), (crop, crop) if isinstance(crop, int) else crop, channels, crop_larger)
    room = Room(default_memory_limit() if memory_limit is None else memory_limit, cache_dir, workers, progress)
    choice = Choice(pattern, absolute(labels), train_size)
    if path is None:
        return open_faces(recipe, choice, seed, room)
    wanted = Wanted(path, choice, recipe)
    file, name = split(path)
    if is_packed(file, name):
        return open_packed(file, image_size, wanted, room)
    return open_files(chosen(recognise(file, name), wanted.choice, path), wanted, room)


def open_faces(recipe: Recipe, choice: Choice, seed: int, room: Room) -> FacesSource:
    """The built-in drawn faces, at most COUNT of them."""
    if choice.pattern is not None or choice.labels not in ("auto", "none"):
        option = f"--labels {choice.labels}" if choice.pattern is None else "--pattern"
        raise UserError(f"{option}: the built-in faces have neither names nor folders: give data by --data")
    count = min(choice.train_size or COUNT, COUNT)
    return FacesSource(recipe.image_size, recipe.channels or 3, seed, count, room.memory_limit)


def open_packed(file: Path, image_size: Size | None, wanted: Wanted, room: Room) -> Source:
    """The images of a packed file, in memory where they fit; image_size None: of whatever size they are."""
    source = PackedSource(file, None, wanted.choice)
    source.require(image_size, wanted.recipe.crop, wanted.recipe.channels)
    return source.in_memory() if room.holds(source.shape) else source


def open_files(listing: Listing, wanted: Wanted, room: Room) -> Source:
    """Pictures to decode: over CACHE_FROM while training runs, fewer now, into memory where they fit, else packed."""
    wanted = replace(wanted, recipe=with_channels(listing, wanted.recipe))
    if note := note_of(listing, wanted.recipe):
        listing.notes += (note,)
    if len(listing) > CACHE_FROM and not listing.quick:
        return open_growing(listing, wanted, room)
    fits = room.holds((len(listing), *wanted.recipe.shape))
    source = (read_into_memory if fits else open_cached)(listing, wanted, room)
    listing.close()  # the source has read all it needs
    return source


def open_cached(listing: Listing, wanted: Wanted, room: Room) -> PackedSource:
    """The images from a packed file in the cache folder, which is written now unless it is there already."""
    cached = cache_path(listing, wanted, room, growing=False)
    try:
        if not is_current(cached, listing, wanted):
            cached.unlink(missing_ok=True)
            pack(listing, wanted.recipe, cached, room.workers, room.progress)
            forget_older(cached)
    except OSError as error:
        raise no_cache(cached, error) from None
    return PackedSource(cached, str(wanted.path), own=True, notes=listing.notes)


def is_current(cached: Path, listing: Listing, wanted: Wanted) -> bool:
    """Whether a file of the cache has the images and labels as they are read today, with checksums, and is sound."""
    if not cached.exists():
        return False
    try:
        source = PackedSource(cached)
    except UserError:
        return False
    source.close()
    return source.sums is not None and source.fingerprint == fingerprint(listing, wanted.recipe)


def open_growing(listing: Listing, wanted: Wanted, room: Room) -> GrowingSource:
    """Many picture files: training starts now, and they are decoded into a file in the cache folder meanwhile."""
    cached = cache_path(listing, wanted, room, growing=True)
    asked = replace(wanted, path=os.path.abspath(wanted.path))  # the helpers may start in another folder
    job: Job | None = Job(asked, listing.version, cached.absolute(), room.workers)
    try:
        store = Store(len(listing), wanted.recipe, cached)
        forget_older(cached)
    except OSError as error:
        if not room.holds((len(listing), *wanted.recipe.shape)):
            raise no_cache(cached, error) from None
        store, job = Store(len(listing), wanted.recipe), None  # without a cache: the images fit into memory
    return GrowingSource(listing, wanted, store, job)


def note_of(listing: Listing, recipe: Recipe) -> str | None:
    """Return what a recipe without a crop of the user's own does to pictures of these sizes, where it is to be said.

    Looks at LOOKED_AT of them. Damaged ones say nothing.
    """
    if recipe.crop:
        return None
    indices = np.linspace(0, len(listing) - 1, min(LOOKED_AT, len(listing))).astype(int)
    with quiet_pillow():
        sizes = [size for size in map(listing.size, indices.tolist()) if size]
    if not sizes:
        return None
    if recipe.crop_larger:
        crop = size_text(recipe.crop_larger)
        if any(recipe.for_picture(width, height).crop for height, width in sizes):
            return f"cut to their centre of {crop}, as the preset's own code does (--crop-larger none: not cut)"
        return f"smaller than {crop}, to which the preset's own code cuts, so they stay whole"
    if set(sizes) == {CELEBA} and recipe.image_size != CELEBA:
        return "of 178x218 pixels, as CelebA's are: --recipe celeba cuts the faces out"
    return None
