"""A part of a listing: the files that match a pattern, or a given number of pictures."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dcgan.data.formats.folder import digest
from dcgan.data.formats.listing import Listing
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError


@dataclass(frozen=True)
class Choice:
    """Which pictures and labels of the data are wanted.

    pattern     of the files' paths or names; None: all
    labels      auto, folder or none, see dcgan.data.formats.labels
    train_size  at most so many pictures; None: all
    """

    pattern: str | None = None
    labels: str = "auto"
    train_size: int | None = None


class Selected(Listing):
    """The pictures of another listing at these indices, in this order."""

    def __init__(self, listing: Listing, indices: np.ndarray):
        self.whole, self.indices = listing, indices
        self.quick, self.skipped, self.classes = listing.quick, listing.skipped, listing.classes
        self.labels = None if listing.labels is None else listing.labels[indices]
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


def matching(listing: Listing, pattern: str) -> Listing:
    """The pictures whose path, or its last part, matches a pattern such as '*.png' or 'train/*'."""
    names = [listing.name(index) for index in range(len(listing))]
    fits = [
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], pattern) for name in names
    ]
    if not any(fits):
        raise UserError(f"--pattern: none of the {len(names):,} images matches '{pattern}'; the first is {names[0]}")
    return listing if all(fits) else Selected(listing, np.flatnonzero(fits))


def spread(count: int, size: int) -> np.ndarray:
    """`size` of `count` indices at even distances: of data sorted by class, some of every class."""
    return np.arange(size) * count // size


def limited(listing: Listing, size: int | None) -> Listing:
    """At most `size` pictures, spread evenly over the data."""
    if size is None or size >= len(listing):
        return listing
    return Selected(listing, spread(len(listing), size))
