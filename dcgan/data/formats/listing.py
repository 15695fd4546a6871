"""Listing: pictures as they lie on disk, numbered, before crop and size. Each format is a subclass.

A part of a listing, such as the files that match a pattern, is again a listing (`Selected`).
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from dcgan.data.formats.decode import decode
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError


class Listing:
    """N pictures in an order that never changes; a new format is a new subclass with its own `open` or `image`.

    skipped      (name, reason) of what was left out already
    fingerprint  a hash of the content: stays when the data is copied
    version      a hash of the content and of the times of change: names the cache file
    labels       (N,) int64, the class of each picture, or None; `dcgan.data.formats.labels.label` sets them
    classes      the names of the classes, or None
    names        the names of picture files; None where the pictures are rows of an array
    quick        whether reading a picture costs next to nothing, so that a cache would gain nothing
    """

    quick = False
    fingerprint = version = ""
    names: list[str] | None = None
    labels: np.ndarray | None = None
    classes: list[str] | None = None
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

    def own_labels(self) -> tuple[np.ndarray, list[str]] | None:
        """The labels that the format itself has, and their classes' names. Raises UserError where they are damaged."""
        return None

    def close(self) -> None:
        """Let go of open files."""

    def __len__(self) -> int:
        raise NotImplementedError


class Selected(Listing):
    """The pictures of another listing at these indices, in this order."""

    def __init__(self, listing: Listing, indices: np.ndarray):
        self.whole, self.indices = listing, indices
        self.quick, self.skipped, self.classes = listing.quick, listing.skipped, listing.classes
        self.labels = None if listing.labels is None else listing.labels[indices]
        self.names = listing.names and [listing.names[index] for index in indices.tolist()]
        chosen = digest(indices)
        self.fingerprint, self.version = (digest([text, chosen]) for text in (listing.fingerprint, listing.version))

    def name(self, index: int) -> str:
        return self.whole.name(int(self.indices[index]))

    def open(self, index: int) -> BinaryIO:
        return self.whole.open(int(self.indices[index]))

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        return self.whole.image(int(self.indices[index]), recipe)

    def close(self) -> None:
        self.whole.close()

    def __len__(self) -> int:
        return len(self.indices)


def matching(listing: Listing, pattern: str, path: object) -> Listing:
    """The pictures whose path, or its last part, matches a pattern such as '*.png' or 'train/*'."""
    names = listing.names
    if names is None:
        raise UserError(f"--pattern: {path} is no folder or .zip of image files, so there are no names to match")
    fits = [
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], pattern) for name in names
    ]
    if not any(fits):
        raise UserError(f"--pattern: none of the {len(names):,} images matches '{pattern}'; the first is {names[0]}")
    return listing if all(fits) else Selected(listing, np.flatnonzero(fits))


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
