"""Writing packed images so that a kill at any moment costs at most the last hundred of them.

The file grows under the name OUT.part. Its data sets get all their space at creation, so that later writes touch pixels
only, never HDF5's own structure: whatever moment the process dies at, the file stays readable. The flag done[i] is set
after image i is on its way to the disk. Only a finished file gets its own name.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5p

from dcgan.data.disk import require_room, reserve
from dcgan.data.formats.folder import digest
from dcgan.data.formats.listing import Listing
from dcgan.data.recipe import Recipe
from dcgan.data.storage.reading import fingerprint, one_line, read_all, require_some

CHUNK_BYTES = 2**16  # a few images per chunk: one seek fetches them, and a large file has few chunks
FLUSH_EVERY = 128  # images


def pack(listing: Listing, recipe: Recipe, out: Path, workers: int | None = None, progress: bool = True) -> int:
    """Pack every readable picture into `out`; go on where an earlier attempt stopped; return the number of images."""
    part = out.with_name(out.name + ".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_part(part, listing, recipe) as file:
        skipped = write_images(file, listing, recipe, workers, progress)
        count = finish(file, listing, skipped)
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    os.replace(part, out)
    return count


def open_part(part: Path, listing: Listing, recipe: Recipe) -> h5py.File:
    """The unfinished file of these very images and this recipe, or a new one."""
    key = digest([listing.version, fingerprint(listing, recipe)])
    if not (part.exists() and is_part(part, key)):
        new_part(part, listing, recipe, key)
    reserve(part)  # else a disk that fills up while HDF5 writes would make it crash
    return h5py.File(part, "r+")


def is_part(part: Path, key: str) -> bool:
    """Whether it is an unfinished file of that key; BlockingIOError where another process is at it."""
    try:
        with h5py.File(part, "r+") as file:
            return file.attrs.get("part") == key and "done" in file
    except BlockingIOError:
        message = "is being written by another process: start again when that has finished"
        raise BlockingIOError(errno.EAGAIN, message, str(part)) from None
    except OSError:  # torn while it was created
        return False


def new_part(part: Path, listing: Listing, recipe: Recipe, key: str) -> None:
    """Write a file with room for every listed picture; OSError where the disk has none."""
    part.unlink(missing_ok=True)
    count, nbytes = len(listing), int(np.prod(recipe.shape))
    require_room(part.parent, count, nbytes)
    with h5py.File(part, "w") as file:
        rows = max(1, min(count, CHUNK_BYTES // nbytes))
        allocated(file, "images", (count, *recipe.shape), (rows, *recipe.shape))
        allocated(file, "done", (count,), (min(count, CHUNK_BYTES),))[:] = 0
        if listing.labels is not None:
            allocated(file, "labels", (count,), (min(count, CHUNK_BYTES),), np.int32)[:] = listing.labels
        file.attrs.update(recipe=recipe.to_json(), fingerprint=fingerprint(listing, recipe), part=key)


def allocated(file: h5py.File, name: str, shape: tuple, chunks: tuple, dtype: type = np.uint8) -> h5py.Dataset:
    """A resizable data set whose space is all taken now."""
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5d.FILL_TIME_NEVER)
    return file.create_dataset(name, shape=shape, maxshape=(None, *shape[1:]), dtype=dtype, chunks=chunks, dcpl=layout)


def write_images(
    file: h5py.File, listing: Listing, recipe: Recipe, workers: int | None, progress: bool
) -> list[tuple[str, str]]:
    """Decode what is not done yet, each picture into its own row; return (name, reason) of those that failed."""
    skipped: list[tuple[str, str]] = list(listing.skipped)
    fresh: dict[int, np.ndarray] = {}  # images that are not written yet, by their row
    todo = np.flatnonzero(file["done"][:] == 0)
    for index, image in read_all(listing, recipe, todo, workers, progress):
        if isinstance(image, str):
            skipped.append((one_line(listing.name(index)), image))
        else:
            fresh[index] = image
        if len(fresh) >= FLUSH_EVERY:
            write_rows(file, fresh)
            fresh = {}
    write_rows(file, fresh)
    return skipped


def write_rows(file: h5py.File, fresh: dict[int, np.ndarray]) -> None:
    """Write images into their rows, neighbours in one go, and set done once the pixels have left this process."""
    rows = np.array(sorted(fresh), int)
    runs = [run for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(run)]
    for run in runs:
        file["images"][run[0] : run[-1] + 1] = np.stack([fresh[row] for row in run.tolist()])
    file.flush()
    for run in runs:
        file["done"][run[0] : run[-1] + 1] = 1
    file.flush()


def finish(file: h5py.File, listing: Listing, skipped: list[tuple[str, str]]) -> int:
    """Close the gaps of skipped pictures and write down what the file holds."""
    images = file["images"]
    good = np.flatnonzero(file["done"][:])
    require_some(len(good), skipped, "the data")
    gap = int(np.argmax(good != np.arange(len(good)))) if len(good) and good[-1] >= len(good) else len(good)
    if gap < len(good):
        file["done"][gap:] = 0  # should we be killed while rows move, they are read again
        file.flush()
        for row in range(gap, len(good)):
            images[row] = images[int(good[row])]
    images.resize(len(good), axis=0)
    del file["done"], file.attrs["part"]
    text = h5py.string_dtype()
    if listing.labels is not None:
        file["labels"].resize(len(good), axis=0)
        file["labels"][:] = listing.labels[good]
        file.create_dataset("classes", data=np.array(listing.classes, dtype=object), dtype=text)
    file.create_dataset("skipped", data=np.array(skipped, dtype=object).reshape(-1, 2), dtype=text)
    file.attrs.update(count=len(good), files=len(listing), skipped_files=len(skipped))
    return len(good)
