"""Pictures that lie in arrays: idx, CIFAR, NumPy and HDF5 files all end here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dcgan.data.formats.decode import cut
from dcgan.data.formats.folder import digest
from dcgan.data.formats.listing import Listing
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError

SAMPLE = 64  # rows that the fingerprint looks into
MOST_CLASSES = 10_000

Labels = Callable[[], np.ndarray | None]
Convert = Callable[[np.ndarray], np.ndarray]  # a row of the file -> uint8 (H, W, C)


class ArrayListing(Listing):
    """Pictures in one or more arrays, one row of a leading axis each, taken one behind the other.

    files    what the arrays were read from: their names, sizes and times of change count
    parts    arrays, memory maps or HDF5 data sets (n, ...), rows of one shape
    convert  turns a row into uint8 (H, W, C)
    labels   reads the labels (n,) of all images, if they are wanted
    """

    quick = True

    def __init__(
        self,
        files: Sequence[Path],
        parts: Sequence[Any],
        convert: Convert,
        labels: Labels | None = None,
        classes: Sequence[str] | None = None,
    ):
        self.path, self.parts, self.convert = files[0], list(parts), convert
        self.ends = np.cumsum([len(part) for part in parts])
        if len(self) == 0:
            raise UserError(f"{self.path} holds no images")
        require_one_shape(self.path, parts)
        self.skipped = []
        self._labels, self._classes = labels, classes
        sizes = [(file.name, file.stat().st_size) for file in files]
        self.fingerprint = digest([sizes, self._sample()])
        self.version = digest([self.fingerprint, *(file.stat().st_mtime_ns for file in files)])

    def own_labels(self) -> tuple[np.ndarray, list[str]] | None:
        found = self._labels() if self._labels else None
        if found is None:
            return None
        labels = checked_labels(found, len(self), self.path)
        return labels, list(self._classes or map(str, range(int(labels.max()) + 1)))

    def row(self, index: int) -> np.ndarray:
        """Row `index` as it lies in the file."""
        part = int(np.searchsorted(self.ends, index, side="right"))
        return np.asarray(self.parts[part][index - int(self.ends[part])])

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        return fit(self.convert(self.row(index)), recipe)

    def name(self, index: int) -> str:
        return f"{self.path.name} image {index}"

    def _sample(self) -> str:
        """A hash of rows spread over the data: two arrays of one shape have files of one size."""
        state = hashlib.blake2b(digest_size=12)
        for index in np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int):
            with suppress(OSError):  # a damaged row: reading it will tell
                state.update(self.row(int(index)).tobytes())
        return state.hexdigest()

    def __len__(self) -> int:
        return int(self.ends[-1])


def fit(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Crop and resize (bicubic, antialiased) a uint8 (H, W, C) image, C 1 or 3, as `decode` does a picture file."""
    height, width, channels = image.shape
    box = recipe.box(width, height)
    if image.shape == recipe.shape and box == (0, 0, width, height):
        return image  # as most such files are wanted
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    picture = picture.convert("L" if recipe.channels == 1 else "RGB")
    return np.asarray(cut(picture, box, 1, 1, recipe)).reshape(recipe.shape)


def checked_labels(labels: Any, count: int, origin: object) -> np.ndarray:
    """Labels as (count,) int64. Raises UserError where they are of another number, not whole or out of range."""
    labels = np.asarray(labels)
    if labels.shape not in ((count,), (count, 1)) or labels.dtype.kind not in "iu":
        raise UserError(
            f"{origin}: labels are {labels.dtype} {labels.shape}, expected {count:,} whole numbers, one per image; "
            "--labels none goes without"
        )
    labels = labels.reshape(count)
    if labels.min() < 0 or labels.max() >= MOST_CLASSES:
        raise UserError(
            f"{origin}: labels run from {labels.min()} to {labels.max()}, expected 0 to at most {MOST_CLASSES - 1}; "
            "--labels none goes without"
        )
    return labels.astype(np.int64)


def require_one_shape(path: Path, parts: Sequence[Any]) -> None:
    """Raise UserError where arrays that shall be joined hold images of different shapes."""
    shapes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(shapes) > 1:
        raise UserError(f"{path}: images of different shapes, {' and '.join(map(str, shapes))}: give one file of them")
