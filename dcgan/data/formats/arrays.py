"""Pictures that are rows of arrays: the listing of idx, CIFAR-10, NumPy files and FILE.h5:NAME.

The second half (from `converter` on) finds out what the axes and the values of an array mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dcgan.data.formats.class_numbers import class_numbers
from dcgan.data.formats.decode import cut
from dcgan.data.formats.listing import Listing, digest
from dcgan.data.recipe import Recipe
from dcgan.errors import UserError

SAMPLE = 64  # rows that the fingerprint looks into
HAIR = {2: 2e-3, 4: 1e-5, 8: 1e-5}  # rounding errors of numbers of 2, 4 and 8 bytes that are clipped
BLOCK_BYTES = 2**24  # of an array, looked at in one go

Labels = Callable[[], np.ndarray | None]
Convert = Callable[[np.ndarray], np.ndarray]  # a row of the file -> uint8 (H, W, C)


@dataclass(frozen=True)
class Reading:
    """A Convert that is to be spoken of: a note goes into the description, and into the fingerprint."""

    convert: Convert
    note: str

    def __call__(self, row: np.ndarray) -> np.ndarray:
        return self.convert(row)


class ArrayListing(Listing):
    """Pictures in one or more arrays, each a row of the first axis; the arrays follow one another.

    files    the files that the arrays were read from; their names, sizes and times of change go into the hashes
    parts    arrays, memory maps or HDF5 data sets (n, ...), all with rows of one shape
    convert  turns a row into uint8 (H, W, C)
    labels   reads the labels (n,) of all images; called only if labels are wanted
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
        with suppress(Exception):  # a damaged row is reported when it is read
            self.grey = self.convert(self.row(0)).shape[2] == 1
        self._labels, self._classes = labels, classes
        sizes = [(file.name, file.stat().st_size) for file in files]
        self.notes = (convert.note,) if isinstance(convert, Reading) else ()
        self.fingerprint = digest([sizes, self._sample(), *self.notes])
        self.version = digest([self.fingerprint, *(file.stat().st_mtime_ns for file in files)])

    def is_grey(self, index: int) -> bool:
        return self.grey

    def own_labels(self, column: str | None = None) -> tuple[np.ndarray, list[str]] | None:
        found = self._labels() if self._labels and not column else None
        if found is None:
            return super().own_labels(column)
        return class_numbers(found, len(self), self.path, self._classes)

    def row(self, index: int) -> np.ndarray:
        """Row `index` as it lies in the file.

        Example: parts of 12 and 8 rows end at 12 and 20. Row 13 is parts[1][13 - 20], the 7th from the end of its 8.
        """
        part = int(np.searchsorted(self.ends, index, side="right"))
        return np.asarray(self.parts[part][index - int(self.ends[part])])

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        return fit(self.convert(self.row(index)), recipe)

    def name(self, index: int) -> str:
        return f"{self.path.name} image {index}"

    def _sample(self) -> str:
        """A hash of rows spread over the data; the size of a file does not tell two arrays of one shape apart."""
        state = hashlib.blake2b(digest_size=12)
        for index in np.linspace(0, len(self) - 1, min(SAMPLE, len(self))).astype(int):
            with suppress(OSError):  # a damaged row is reported when it is read
                state.update(self.row(int(index)).tobytes())
        return state.hexdigest()

    def __len__(self) -> int:
        return int(self.ends[-1])


def fit(image: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Crop and resize (bicubic, antialiased) a uint8 (H, W, C) image, C 1 or 3, as `decode` does a picture file."""
    height, width, channels = image.shape
    box = recipe.box(width, height)
    if image.shape == recipe.shape and box == (0, 0, width, height):
        return image  # nothing to do; this is the usual case
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if channels == 1 else image))
    picture = picture.convert("L" if recipe.channels == 1 else "RGB")
    return np.asarray(cut(picture, box, 1, 1, recipe)).reshape(recipe.shape)


def require_one_shape(path: Path, parts: Sequence[Any]) -> None:
    """Raise UserError where arrays that are to be joined hold images of different shapes."""
    shapes = sorted({tuple(part.shape[1:]) for part in parts})
    if len(shapes) > 1:
        raise UserError(f"{path}: images of different shapes, {' and '.join(map(str, shapes))}: give one file of them")


def converter(array: Any, origin: object) -> Convert:
    """The function that turns a row of `array` (N, ...) into uint8 (H, W, C), from its shape, type and values.

    Axes: (N, H, W) is grey; of (N, H, W, C) and (N, C, H, W) the axis of length 1 or 3 is the channels.
    Values: uint8 as they are; whole numbers from 0 to 255; true and false as 255 and 0, as are whole numbers that are
    all 0 or 1; floating point in [0, 1] times 255, or, where any is negative, in [-1, 1] as (x + 1) * 127.5. A hair
    outside (HAIR) is clipped. Raises UserError for anything else.
    """
    to_hwc, to_uint8 = layout(array.shape, origin), scale(array, origin)
    if isinstance(to_uint8, Reading):
        return Reading(lambda row: to_hwc(to_uint8(row)), to_uint8.note)
    return lambda row: to_hwc(to_uint8(row))


def layout(shape: tuple[int, ...], origin: object) -> Convert:
    """The function from a row to (H, W, C)."""
    if len(shape) not in (3, 4):
        raise UserError(f"{origin} has shape {shape}: expected images as (N, H, W), (N, H, W, C) or (N, C, H, W)")
    if min(shape) == 0:
        raise UserError(f"{origin} has shape {shape}: it holds no images")
    if len(shape) == 3:
        if shape[2] in (1, 3) and shape[1] > 3:
            raise UserError(
                f"{origin} has shape {shape}: one image (H, W, C), or {shape[0]} of (H, W)? Give it a leading axis: "
                "array[None] or array[..., None]"
            )
        return lambda row: row[..., None]
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        which = "both axis 1 and axis 3 could be the channels" if first else "neither axis 1 nor axis 3 is 1 or 3 long"
        raise UserError(f"{origin} has shape {shape}: {which}; expected (N, H, W, C) or (N, C, H, W) with C 1 or 3")
    return (lambda row: row.transpose(1, 2, 0)) if first else (lambda row: row)


def scale(array: Any, origin: object) -> Convert:
    """The function from a row's numbers to uint8."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return BLACK_AND_WHITE if is_binary(array) else lambda row: row
    if kind == "b":
        return lambda row: row * np.uint8(255)
    if kind not in "iuf":
        raise UserError(f"{origin} holds {array.dtype}: expected uint8, other whole numbers or floating point")
    low, high = value_range(array)
    if kind != "f" and (low, high) == (0, 1):
        return BLACK_AND_WHITE
    if kind != "f" and low >= 0 and high <= 255:
        return lambda row: row.astype(np.uint8)
    hair = HAIR.get(array.dtype.itemsize, 1e-6)
    if kind == "f" and low >= -hair and high <= 1 + hair:
        return lambda row: np.rint(row.clip(0, 1) * 255.0).astype(np.uint8)
    if kind == "f" and low >= -1 - hair and high <= 1 + hair:
        return lambda row: np.rint((row.clip(-1, 1) + 1.0) * 127.5).astype(np.uint8)
    expected = "in [0, 1] or [-1, 1]" if kind == "f" else "from 0 to 255"
    raise UserError(
        f"{origin} holds {array.dtype} values from {low:g} to {high:g}: expected {expected}; convert them to uint8"
    )


BLACK_AND_WHITE = Reading(
    lambda row: row.astype(np.uint8) * np.uint8(255), "its numbers, 0 and 1, are taken as black and white"
)


def is_binary(array: Any) -> bool:
    """Whether an array of bytes holds 0 and 1 alone, as pictures in black and white are often kept (dSprites)."""
    high = 0
    for block in blocks(array):
        high = max(high, int(block.max()))
        if high > 1:
            return False
    return high == 1


def value_range(array: Any) -> tuple[float, float]:
    """The smallest and the largest value (NaN where there is one), read block by block."""
    with np.errstate(all="ignore"):  # numbers of 16 bytes may be larger than a float64, or bits that are no number
        kept = (block.astype(np.float64) if block.dtype.itemsize > 8 else block for block in blocks(array))
        lows, highs = zip(*((float(block.min()), float(block.max())) for block in kept), strict=True)
    return float(np.min(lows)), float(np.max(highs))


def blocks(array: Any) -> Iterator[np.ndarray]:
    """The rows of an array on the disk, a few megabytes at a time, the first of them one row."""
    rows = max(1, BLOCK_BYTES // max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize))
    for start in (0, *range(1, len(array), rows)):
        yield np.asarray(array[start : start + rows if start else 1])
