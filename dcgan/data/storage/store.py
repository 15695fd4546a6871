"""Store: a file with one row of pixels for every listed picture, filled in any order by several processes at once.

The file is HDF5: `images` (N, H, W, C), `state` (N,), `sums` (N, 4), the checksums of the rows, and `boot` (36,), each
in one piece. HDF5's own structure is written once and never touched again; rows are written and read through a memory
map of the pieces. So a picture costs no more than from an array in memory, the system keeps in memory what fits, and
the file stays readable whenever a process dies. Two processes may decode the same picture; they write the same pixels.
"""

from __future__ import annotations

import math
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p

from dcgan.data.formats.checker import check
from dcgan.data.limits import require_disk, reserve_disk
from dcgan.data.recipe import Recipe

# The state of a row: not decoded yet, can't be read, written, or written and known to be on the disk. After the machine
# itself went down, rows that are THERE are decoded again: the disk may have got the state and not the pixels.
MISSING, BROKEN, THERE, SAVED = range(4)
PIECES = ("images", "state", "sums", "boot")
SAVE_EVERY = 512  # pictures


class Store:
    """The rows of a file, or of memory where `path` is None: images (N, H, W, C) uint8 and state (N,) uint8."""

    def __init__(self, count: int, recipe: Recipe, path: Path | None = None, checked: bool = False):
        """Open the file, or write one of empty rows; `checked`: another process has just opened the same file."""
        self.path, self._maps = path, dict[str, np.memmap]()
        if path is None:
            self.images, self.state = np.empty((count, *recipe.shape), np.uint8), np.zeros(count, np.uint8)
            self.sums, self.unchecked = np.zeros((count, 4), np.uint8), np.zeros(count, bool)
            return
        if not is_store(path, count, recipe, checked):
            create(path, count, recipe)
        self._maps = mapped(path)
        self.images, self.state, self.sums = (np.asarray(self._maps[name]) for name in PIECES[:3])
        self.unchecked = np.ones(count, bool)

    def recover(self) -> None:
        """Set rows back to MISSING that the last run left in doubt; called once, by the run that opens the data."""
        now = np.frombuffer(boot_id(), np.uint8)
        if self._maps and (self._maps["boot"] != now).any():
            self.state[self.state == THERE] = MISSING
            self._maps["boot"][:] = now
        self.state[self.state == BROKEN] = MISSING  # the file may be readable now

    def put(self, index: int, image: np.ndarray) -> None:
        """Keep a picture: first its pixels, then its state, so that a kill in between loses the picture and no more."""
        self.images[index] = image
        self.sums[index] = as_bytes(checksum(image))
        self.state[index] = THERE

    def is_sound(self, index: int) -> bool:
        """Whether a row that is there holds the pixels that were put; it is looked at once."""
        if self.unchecked[index]:
            if (as_bytes(checksum(self.images[index])) != self.sums[index]).any():
                self.state[index] = MISSING
                return False
            self.unchecked[index] = False
        return True

    def there(self) -> np.ndarray:
        """Which rows hold their picture (N,)."""
        return self.state >= THERE

    def save(self) -> None:
        """Wait until every row that is there has reached the disk."""
        rows = np.flatnonzero(self.state == THERE)
        if self._maps and len(rows):
            self._maps["images"].flush()
            self._maps["sums"].flush()
            self.state[rows] = SAVED
            self._maps["state"].flush()


def is_store(path: Path, count: int, recipe: Recipe, checked: bool = False) -> bool:
    """Whether a file has rows for so many pictures of this recipe, all of them within the file, and is sound."""
    if not path.exists():
        return False
    try:
        if not checked:
            check("store", path)
        text, places = structure(path)
        fits = text == recipe.to_json() and [shape for _, shape in places.values()] == shapes_of(count, recipe)
        return fits and max(at + math.prod(shape) for at, shape in places.values()) <= path.stat().st_size
    except Exception:  # noqa: BLE001  (a damaged file makes HDF5 raise nearly anything)
        return False


def shapes_of(count: int, recipe: Recipe) -> list[tuple[int, ...]]:
    """The shapes of the pieces of a file with so many rows."""
    return [(count, *recipe.shape), (count,), (count, 4), (len(boot_id()),)]


def structure(path: Path) -> tuple[Any, dict[str, tuple[int, tuple[int, ...]]]]:
    """The recipe that a file says, and the offset and the shape of each piece. Raises anything for a damaged file."""
    with h5py.File(path, "r") as file:
        return file.attrs.get("recipe"), {name: (file[name].id.get_offset(), file[name].shape) for name in PIECES}


def create(path: Path, count: int, recipe: Recipe) -> None:
    """Write a file of empty rows, which appears whole or not at all. Raises OSError where the disk has no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    require_disk(path.parent, count, int(np.prod(recipe.shape)))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            file.attrs["recipe"] = recipe.to_json()
            for name, shape in zip(PIECES, shapes_of(count, recipe), strict=True):
                allocated(file, name, shape)
        reserve_disk(Path(temporary), spare=0)
        for name in PIECES[1:]:
            mapped(Path(temporary))[name][:] = 0
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def allocated(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: type = np.uint8, chunks: tuple[int, ...] | None = None
) -> h5py.Dataset:
    """A data set whose space is all taken now, unwritten; in chunks it can be resized.

    Writing its rows later changes no byte of HDF5's own structure, so a kill at any moment leaves the file readable.
    """
    layout = h5p.create(h5p.DATASET_CREATE)
    layout.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5d.FILL_TIME_NEVER)
    most = (None, *shape[1:]) if chunks else None
    return file.create_dataset(name, shape=shape, maxshape=most, dtype=dtype, chunks=chunks, dcpl=layout)


def mapped(path: Path) -> dict[str, np.memmap]:
    """The pieces of a store as arrays; what is written to them is written to the file."""
    _, places = structure(path)
    return {name: np.memmap(path, np.uint8, "r+", offset, shape) for name, (offset, shape) in places.items()}


def checksum(image: np.ndarray) -> int:
    """The CRC-32 of an image's bytes."""
    return zlib.crc32(np.ascontiguousarray(image).data)


def as_bytes(number: int) -> np.ndarray:
    """A number of 32 bits as uint8 (4,), the least significant first."""
    return np.frombuffer(number.to_bytes(4, "little"), np.uint8)


def boot_id() -> bytes:
    """36 bytes that change with every start of the machine; where the system has none, with every call."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()[:36].ljust(36)
    except OSError:
        return os.urandom(36)
