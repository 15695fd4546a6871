"""Listing: pictures as they lie on disk, numbered, before crop and size. Each format is a subclass.

A part of a listing, such as the files that match a pattern, is again a listing (`Selected`).
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from dcgan.data.formats.decode import SIDEWAYS, decode, exif_orientation, is_grey, opened
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError
from dcgan.options import Size
from dcgan.streams import one_line


class Listing:
    """N pictures in an order that never changes; a new format is a new subclass with its own `open` or `image`.

    skipped      (name, reason) of what was left out already
    fingerprint  a hash of the content: stays when the data is copied
    version      a hash of the content and of the times of change: names the cache file
    labels       (N,) int64, the class of each picture, or None; `dcgan.data.formats.labels.label` sets them
    classes      the names of the classes, or None
    names        the names of picture files; None where the pictures are rows of an array
    grey         whether all pictures are known to be grey
    notes        what is to be said of the data beside its description
    quick        whether reading a picture costs next to nothing, so that a cache would gain nothing
    """

    quick = grey = False
    fingerprint = version = ""
    names: list[str] | None = None
    labels: np.ndarray | None = None
    classes: list[str] | None = None
    notes: tuple[str, ...] = ()
    skipped: list[tuple[str, str]]

    def name(self, index: int) -> str:
        """What picture `index` is called, for messages."""
        raise NotImplementedError

    def open(self, index: int) -> BinaryIO:
        """The file of picture `index`, for reading."""
        raise NotImplementedError

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        """Picture `index` cropped and resized by the recipe: uint8 (H, W, C). Raises anything where it is damaged."""
        with self.open(index) as file:
            return decode(file, recipe)

    def size(self, index: int) -> Size | None:
        """(H, W) of picture `index` before crop and resizing, None where it is damaged."""
        try:
            return self._size(index)
        except Exception:  # noqa: BLE001  (a damaged file makes Pillow raise nearly anything)
            return None

    def _size(self, index: int) -> Size:
        with self.open(index) as file, opened(file) as picture:
            width, height = picture.size  # of its head, before it is turned upright
            return (width, height) if exif_orientation(picture) in SIDEWAYS else (height, width)

    def _skip(self, name: str, reason: str) -> None:
        """Note what is left out, and why."""
        self.skipped.append((one_line(name), one_line(reason)))

    def is_grey(self, index: int) -> bool:
        """Whether picture `index` is grey for sure; False also where that takes decoding it."""
        try:
            with self.open(index) as file:
                return is_grey(file)
        except Exception:  # noqa: BLE001  (a damaged file makes Pillow raise nearly anything; `image` will say so)
            return False

    def own_labels(self, column: str | None = None) -> tuple[np.ndarray, list[str]] | None:
        """The labels that the format itself has, and their classes' names.

        column: which of its columns has them. Raises UserError where they are damaged, or there is no such column.
        """
        if column:
            raise UserError(f"--labels :{column}: goes with data that has columns, such as a .parquet file")
        return None

    def beside(self, name: str) -> bytes | None:
        """The content of a file that lies among the picture files and is none; None where there is no such file."""
        return None

    def close(self) -> None:
        """Let go of open files."""

    def __len__(self) -> int:
        raise NotImplementedError


class Selected(Listing):
    """The pictures of another listing at these indices, in this order."""

    def __init__(self, listing: Listing, indices: np.ndarray):
        self.whole, self.indices = listing, indices
        self.grey = listing.grey
        self.quick, self.skipped, self.classes = listing.quick, listing.skipped, listing.classes
        self.labels = None if listing.labels is None else listing.labels[indices]
        self.notes = listing.notes
        self.names = listing.names and [listing.names[index] for index in indices.tolist()]
        chosen = digest(indices)
        self.fingerprint, self.version = (digest([text, chosen]) for text in (listing.fingerprint, listing.version))

    def name(self, index: int) -> str:
        return self.whole.name(int(self.indices[index]))

    def open(self, index: int) -> BinaryIO:
        return self.whole.open(int(self.indices[index]))

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        return self.whole.image(int(self.indices[index]), recipe)

    def is_grey(self, index: int) -> bool:
        return self.whole.is_grey(int(self.indices[index]))

    def size(self, index: int) -> Size | None:
        return self.whole.size(int(self.indices[index]))

    def beside(self, name: str) -> bytes | None:
        return self.whole.beside(name)

    def close(self) -> None:
        self.whole.close()

    def __len__(self) -> int:
        return len(self.indices)


def matching(listing: Listing, pattern: str, path: object) -> Listing:
    """The pictures whose path, or its last part, matches a pattern such as '*.png' or 'train/*'."""
    names = listing.names
    if names is None:
        raise UserError(f"--pattern: {path} is no folder, .zip or .tar of image files, so there are no names to match")
    fits = [matches(name, pattern) for name in names]
    if not any(fits):
        raise UserError(f"--pattern: none of the {len(names):,} images matches '{pattern}'; the first is {names[0]}")
    return listing if all(fits) else Selected(listing, np.flatnonzero(fits))


def matches(name: str, pattern: str) -> bool:
    """Whether a path or its last part matches; upper and lower case are the same in the suffix: *.jpg takes 1.JPG."""
    pairs = [(name, pattern), (name.rsplit("/", 1)[-1], pattern)]
    pairs += [(lower_suffix(text), lower_suffix(pattern)) for text, _ in pairs]
    return any(fnmatch.fnmatchcase(text, wanted) for text, wanted in pairs)


def lower_suffix(name: str) -> str:
    """Photo.JPG as Photo.jpg."""
    stem, dot, suffix = name.rpartition(".")
    return stem + dot + suffix.lower() if dot and "/" not in suffix else name


def spread(count: int, size: int) -> np.ndarray:
    """`size` of `count` indices at even distances: of data sorted by class, some of every class.

    Example: spread(10, 4) is [0, 2, 5, 7].
    """
    return np.arange(size) * count // size


def limited(listing: Listing, size: int | None) -> Listing:
    """At most `size` pictures, spread evenly over the data."""
    if size is None or size >= len(listing):
        return listing
    return Selected(listing, spread(len(listing), size))


def digest(parts: Iterable) -> str:
    """A short hexadecimal hash of the texts of `parts`; fingerprints, versions and cache names are made of it."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=12).hexdigest()
