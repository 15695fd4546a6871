"""Packing: every image of a listing into one HDF5 file, which packed.py reads as a source.

A kill at any moment costs at most the last few hundred images. The file is called OUT.part until it is finished. Its
data sets get all their space at creation, so that later writes touch pixels only and never HDF5's own structure. The
flag done[i] is set after image i and its checksum sums[i] have reached the disk.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import h5py
import numpy as np

from dcgan.data.formats.checker import check
from dcgan.data.formats.hdf5 import text_attribute
from dcgan.data.formats.listing import Listing, digest
from dcgan.data.limits import require_disk, reserve_disk
from dcgan.data.recipe import Recipe
from dcgan.data.storage.packed import SUMS
from dcgan.data.storage.reading import fingerprint, read_all, require_some
from dcgan.data.storage.store import allocated, checksum
from dcgan.errors import UserError
from dcgan.streams import error_text, one_line

CHUNK_BYTES = 2**16  # a few images per chunk: one seek fetches them, and a large file has few chunks
FLUSH_EVERY = 512  # images


def pack(listing: Listing, recipe: Recipe, out: Path, workers: int | None = None, progress: bool = True) -> int:
    """Pack every readable picture into `out`, going on where an earlier attempt stopped; return their number."""
    part = out.with_name(out.name + ".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_part(part, listing, recipe) as file:
            skipped = write_images(file, listing, recipe, workers, progress)
            count = finish(file, listing, skipped)
    except (RuntimeError, KeyError) as error:  # from HDF5
        raise UserError(f"{part} is damaged ({error_text(error)}): remove it and start again") from None
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    os.replace(part, out)
    return count


def open_part(part: Path, listing: Listing, recipe: Recipe) -> h5py.File:
    """The unfinished file of exactly these images and this recipe, or a new one."""
    key = digest([listing.version, fingerprint(listing, recipe)])
    if not (part.exists() and is_part(part, key)):
        new_part(part, listing, recipe, key)
    reserve_disk(part)  # a disk that fills up while HDF5 writes would make HDF5 crash
    return h5py.File(part, "r+")


def is_part(part: Path, key: str) -> bool:
    """Whether `part` is an unfinished file of that key. Raises BlockingIOError where another process writes it."""
    try:
        check("hdf5", part, "images")
        with h5py.File(part, "r+") as file:
            fits = text_attribute(file, "part") == key and "done" in file and SUMS in file
            return fits and len(file["images"]) == len(file[SUMS]) == len(file["done"])
    except BlockingIOError:
        message = "is being written by another process: start again when that has finished"
        raise BlockingIOError(errno.EAGAIN, message, str(part)) from None
    except Exception:  # noqa: BLE001  (its process was killed while it created the file, or the file is damaged)
        return False


def new_part(part: Path, listing: Listing, recipe: Recipe, key: str) -> None:
    """Write a file with space for every listed picture. Raises OSError where the disk has no room."""
    part.unlink(missing_ok=True)
    count, nbytes = len(listing), int(np.prod(recipe.shape))
    require_disk(part.parent, count, nbytes)
    with h5py.File(part, "w") as file:
        rows = max(1, min(count, CHUNK_BYTES // nbytes))
        allocated(file, "images", (count, *recipe.shape), chunks=(rows, *recipe.shape))
        allocated(file, SUMS, (count,), np.uint32, (min(count, CHUNK_BYTES),))
        allocated(file, "done", (count,), chunks=(min(count, CHUNK_BYTES),))[:] = 0
        if listing.labels is not None:
            allocated(file, "labels", (count,), np.int32, (min(count, CHUNK_BYTES),))[:] = listing.labels
        file.attrs.update(recipe=recipe.to_json(), fingerprint=fingerprint(listing, recipe), part=key)


def write_images(
    file: h5py.File, listing: Listing, recipe: Recipe, workers: int | None, progress: bool
) -> list[tuple[str, str]]:
    """Decode what is not done yet, picture i into row i; return (name, reason) of the pictures that failed."""
    skipped: list[tuple[str, str]] = list(listing.skipped)
    fresh: dict[int, np.ndarray] = {}  # images that are not written yet, by their row
    forget_damaged(file)
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


def forget_damaged(file: h5py.File) -> None:
    """Take back the flags of rows whose pixels are not those that were written, so that they are decoded again."""
    sums, images = file[SUMS][:], file["images"]
    for row in np.flatnonzero(file["done"][:]).tolist():
        try:
            sound = checksum(images[row]) == sums[row]
        except OSError:
            sound = False
        if not sound:
            file["done"][row] = 0


def write_rows(file: h5py.File, fresh: dict[int, np.ndarray]) -> None:
    """Write images into their rows, and set their flags once the pixels have reached the disk.

    Neighbouring rows are written in one go: rows 3 4 5 9 in two runs, 3 to 5 and 9.
    """
    rows = np.array(sorted(fresh), int)
    runs = [run for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(run)]
    for run in runs:
        images = np.stack([fresh[row] for row in run.tolist()])
        file["images"][run[0] : run[-1] + 1] = images
        file[SUMS][run[0] : run[-1] + 1] = [checksum(image) for image in images]
    sync(file)
    for run in runs:
        file["done"][run[0] : run[-1] + 1] = 1
    file.flush()


def sync(file: h5py.File) -> None:
    """Wait until all that was written has reached the disk."""
    file.flush()
    os.fsync(file.id.get_vfd_handle())


def finish(file: h5py.File, listing: Listing, skipped: list[tuple[str, str]]) -> int:
    """Close the gaps that skipped pictures left, and write down what the file holds; return the number of images."""
    good = np.flatnonzero(file["done"][:])
    require_some(len(good), skipped, "the data")
    close_gaps(file, good)
    for name in ("images", SUMS):
        file[name].resize(len(good), axis=0)
    del file["done"], file.attrs["part"]
    text = h5py.string_dtype()
    if listing.labels is not None:
        file["labels"].resize(len(good), axis=0)
        file["labels"][:] = listing.labels[good]
        file.create_dataset("classes", data=np.array(listing.classes, dtype=object), dtype=text)
    file.create_dataset("skipped", data=np.array(skipped, dtype=object).reshape(-1, 2), dtype=text)
    file.attrs.update(count=len(good), files=len(listing), skipped_files=len(skipped))
    return len(good)


def close_gaps(file: h5py.File, good: np.ndarray) -> None:
    """Move the good rows together.

    Example: of pictures 0 1 2 3 number 1 failed. Row 2 moves to row 1, row 3 to row 2, and `images` gets 3 rows.
    """
    images = file["images"]
    gap = int(np.argmax(good != np.arange(len(good)))) if len(good) and good[-1] >= len(good) else len(good)
    if gap < len(good):
        file["done"][gap:] = 0  # rows that are moving when the process is killed are decoded again
        sync(file)
        for row in range(gap, len(good)):
            images[row] = images[int(good[row])]
        file[SUMS][: len(good)] = file[SUMS][:][good]
