"""Packed images: one HDF5 file with a uint8 data set "images" (N, H, W, C), read as a source (packing.py writes it)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from dcgan.data.formats.arrays import BLACK_AND_WHITE, is_binary
from dcgan.data.formats.class_numbers import class_numbers
from dcgan.data.formats.hdf5 import contents, damage, dataset, label_values, open_hdf5, text_attribute, texts
from dcgan.data.formats.listing import digest, spread
from dcgan.data.recipe import ALL, Choice, Recipe, label_column, label_table
from dcgan.data.source import ArraySource, Source, describe
from dcgan.data.storage.store import checksum
from dcgan.errors import UserError
from dcgan.options import Size, size_text
from dcgan.streams import one_line

SUMS = "sums"  # a data set (N,): the checksum of every image
READ_BYTES = 2**24  # read in one go


class PackedSource(Source):
    """Images that stay in an HDF5 file and are read when asked for.

    Any file will do that has a uint8 data set "images" (N, H, W, 1 or 3); "labels" (N,) are read where there are any.
    Files of `dcgan.prepare` also say what they were made from. A choice with a pattern is refused.
    """

    def __init__(
        self, path: Path, what: str | None = None, choice: Choice = ALL, own: bool = False, notes: Sequence[str] = ()
    ):
        """Open the file; `own`: this program wrote it just now or into its cache, so no helper has to check it."""
        self.path, self.notes = path, list(notes)
        self.file = open_hdf5(path, None if own else "images")
        try:
            with damage(path):
                self._read(one_line(what or str(path)), choice)
        except BaseException:
            self.file.close()
            raise

    def _read(self, what: str, choice: Choice) -> None:
        file, path = self.file, self.path
        self.images = require_images(file)
        if choice.pattern is not None:
            raise UserError(f"--pattern: {path} is no folder, .zip or .tar of image files: there are no names")
        count = len(self.images)
        self.rows = None if (choice.train_size or count) >= count else spread(count, choice.train_size or count)
        shape = (count if self.rows is None else len(self.rows), *self.images.shape[1:])
        self.sums = read_sums(file, count)
        self.unchecked = np.ones(count, bool)
        self._settle_numbers()
        skipped = [(one_line(str(name)), one_line(str(reason))) for name, reason in pairs(texts(file, "skipped"), path)]
        labels, classes = wanted_labels(file, count, choice.labels)
        if labels is not None and self.rows is not None:
            labels = labels[self.rows]
        status = path.stat()
        own = text_attribute(file, "fingerprint") or digest(
            [status.st_size, status.st_mtime_ns, shape, *(self.notes if self.factor > 1 else [])]
        )
        fingerprint = own if self.rows is None else digest([own, shape])
        description = describe(shape, what, len(skipped), classes, self.notes)
        super().__init__(shape, description, fingerprint, skipped, labels, classes)

    def _settle_numbers(self) -> None:
        """Find out whether 0 and 1, in a file of somebody else, mean black and white."""
        self.recipe = as_recipe(text_attribute(self.file, "recipe"))
        self.factor = np.uint8(255 if self.recipe is None and is_binary(self.images) else 1)
        if self.factor > 1:
            self.notes.append(BLACK_AND_WHITE.note)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        batch = np.empty((len(indices), *self.shape[1:]), np.uint8)
        rows = indices if self.rows is None else self.rows[indices]
        with damage(self.path):
            for place in np.argsort(rows, kind="stable").tolist():  # in the file's order: fewer seeks
                batch[place] = self.images[int(rows[place])]
                if self.unchecked[rows[place]]:
                    self._check(int(rows[place]), batch[place])
        return batch * self.factor if self.factor > 1 else batch

    def _check(self, row: int, image: np.ndarray) -> None:
        """Raise UserError where the pixels of a row are not those that were packed."""
        if self.sums is not None and checksum(image) != self.sums[row]:
            raise UserError(
                f"{self.path}: image {row} has other pixels than were packed: remove the file, it is damaged"
            )
        self.unchecked[row] = False

    def in_memory(self) -> ArraySource:
        """The same images, all read now; the file is closed."""
        try:
            images = np.empty(self.shape, np.uint8)
            step = max(1, READ_BYTES // images[0].nbytes)
            for start in range(0, len(self), step):
                images[start : start + step] = self._rows(np.arange(start, min(start + step, len(self))))
        finally:
            self.close()
        return ArraySource(images, self.description, self.fingerprint, self.skipped, self.labels, self.classes)

    def _rows(self, indices: np.ndarray) -> np.ndarray:
        """The images of neighbouring indices, read in one go where they are neighbours in the file too."""
        if self.rows is not None:
            return self.batch(indices)
        with damage(self.path):
            images = self.images[int(indices[0]) : int(indices[-1]) + 1]
        for row, image in zip(indices.tolist(), images, strict=True):
            self._check(row, image)
        return images * self.factor if self.factor > 1 else images

    def close(self) -> None:
        self.file.close()

    @property
    def crop(self) -> Size | None:
        """The centre crop that the file says it was made with, or None."""
        return self.recipe.crop if self.recipe else None

    def require(self, image_size: Size | None, crop: Size | None, channels: int | None) -> None:
        """Raise UserError where the images differ from what was asked for; None asks for nothing."""
        asked = {
            "--image-size": (image_size, self.image_size),
            "--crop": (crop, self.crop),
            "--channels": (channels, self.channels),
        }
        for option, (wanted, have) in asked.items():
            if wanted is not None and wanted != have:
                hint = f"use {option} {written(have)}" if have else f"leave out {option}"
                raise UserError(
                    f"{self.path} was packed with {option} {written(have)}, not {written(wanted)}: {hint}, or pack the "
                    "images anew with python -m dcgan.prepare"
                )


def written(value: Size | int | None) -> str:
    """A size or a number as the user would type it."""
    return size_text(value) if isinstance(value, tuple) else str(value).lower()


def as_recipe(text: str | None) -> Recipe | None:
    """The recipe that a file says it was made with; None where it says none that can be understood."""
    try:
        raw = json.loads(text or "")
        return Recipe(tuple(raw["image_size"]), raw["crop"] and tuple(raw["crop"]), raw["channels"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def read_sums(file: h5py.File, count: int) -> np.ndarray | None:
    """The checksums (count,) of the images; None where the file has none, as older ones have not."""
    sums = dataset(file, SUMS)
    return sums[:] if sums is not None and sums.shape == (count,) and sums.dtype == np.uint32 else None


def require_images(file: h5py.File) -> h5py.Dataset:
    """The data set "images". Raises UserError where there is none that is uint8 (N >= 1, H, W, 1 or 3)."""
    images = dataset(file, "images")
    fits = images is not None and images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] in (1, 3)
    if images is None or not fits or 0 in images.shape:
        found = f"{images.dtype} {images.shape}" if images is not None else "no such data set"
        raise UserError(
            f"{file.filename}: expected a uint8 data set 'images' of shape (N, H, W, 1 or 3), found {found}; the file "
            f"holds {contents(file)}. Another data set is named as FILE.h5:NAME"
        )
    return images


def pairs(skipped: np.ndarray, path: Path) -> np.ndarray:
    """The list of skipped files as (n, 2)."""
    if skipped.size and skipped.shape[1:] != (2,):
        raise UserError(f"{path}: expected names and reasons in the data set 'skipped', found shape {skipped.shape}")
    return skipped.reshape(-1, 2)


def wanted_labels(file: h5py.File, count: int, mode: str) -> tuple[np.ndarray | None, list[str] | None]:
    """`read_labels` as --labels asks for it. Raises UserError where a packed file can't give what it asks for."""
    if label_table(mode) or label_column(mode):
        raise UserError(f"--labels {mode}: {file.filename} is packed: give the table to dcgan.prepare")
    labels, classes = (None, None) if mode == "none" else read_labels(file, count)
    if labels is None and mode == "folder":
        raise UserError(f"--labels folder: {file.filename} holds no labels; --labels auto goes without")
    return labels, classes


def read_labels(file: h5py.File, count: int) -> tuple[np.ndarray | None, list[str] | None]:
    """The labels (count,) of a file and the names of its classes; None and None where it has no labels."""
    with damage(f"{file.filename}, its labels"):
        found = label_values(file, "labels")
    if found is None:
        return None, None
    classes = [one_line(str(name)) for name in texts(file, "classes").reshape(-1)]
    return class_numbers(found, count, file.filename, classes)
