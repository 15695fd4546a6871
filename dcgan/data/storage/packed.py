"""Packed images: one HDF5 file with a uint8 data set "images" (N, H, W, C), read as a source."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from dcgan.data.formats.arrays import checked_labels
from dcgan.data.formats.folder import digest
from dcgan.data.formats.hdf5 import contents, dataset, open_hdf5
from dcgan.data.formats.recognise import ALL
from dcgan.data.formats.selection import Choice, spread
from dcgan.data.source import ArraySource, Source, describe
from dcgan.errors import UserError
from dcgan.options import Size, size_text


class PackedSource(Source):
    """Images that stay in an HDF5 file and are read when asked for.

    Any file with a uint8 data set "images" (N, H, W, 1 or 3) will do, and "labels" (N,) if there are; those of
    `dcgan.prepare` also say what they were made from. Of the choice, labels and train_size count.
    """

    def __init__(self, path: Path, what: str | None = None, choice: Choice = ALL):
        self.path = path
        self.file = open_hdf5(path)
        try:
            self._read(what or str(path), choice)
        except UserError:
            self.file.close()
            raise

    def _read(self, what: str, choice: Choice) -> None:
        file, path = self.file, self.path
        self.images = require_images(file)
        if choice.pattern is not None:
            raise UserError(f"--pattern: {path} is no folder or .zip of image files, so there are no names to match")
        count = len(self.images)
        self.rows = None if (choice.train_size or count) >= count else spread(count, choice.train_size or count)
        shape = (count if self.rows is None else len(self.rows), *self.images.shape[1:])
        skipped = [(str(name), str(reason)) for name, reason in pairs(texts(file, "skipped"), path)]
        labels, classes = (None, None) if choice.labels == "none" else read_labels(file, count)
        if labels is None and choice.labels == "folder":
            raise UserError(f"--labels folder: {path} holds no labels; --labels auto goes without")
        if labels is not None and self.rows is not None:
            labels = labels[self.rows]
        status = path.stat()
        own = file.attrs.get("fingerprint") or digest([status.st_size, status.st_mtime_ns, shape])
        fingerprint = own if self.rows is None else digest([own, shape])
        super().__init__(shape, describe(shape, what, len(skipped), classes), fingerprint, skipped, labels, classes)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        batch = np.empty((len(indices), *self.shape[1:]), np.uint8)
        rows = indices if self.rows is None else self.rows[indices]
        for row in np.argsort(rows, kind="stable"):  # in the file's order: fewer seeks
            batch[row] = self.images[int(rows[row])]
        return batch

    def in_memory(self) -> ArraySource:
        """The same images, all read now; the file is closed."""
        try:
            images = self.images[:] if self.rows is None else self.batch(np.arange(len(self)))
        except OSError as error:
            raise UserError(f"{self.path}: images can't be read ({error}): the file is damaged") from None
        finally:
            self.close()
        return ArraySource(images, self.description, self.fingerprint, self.skipped, self.labels, self.classes)

    def close(self) -> None:
        self.file.close()

    @property
    def crop(self) -> Size | None:
        """The centre crop the file was made with, as far as it says."""
        crop = json.loads(self.file.attrs.get("recipe", "{}")).get("crop")
        return tuple(crop) if crop else None

    def require(self, image_size: Size | None, crop: Size | None, channels: int | None) -> None:
        """Raise UserError where the file's images differ from what was asked for (None: anything will do)."""
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
    """A size or a number as one would type it."""
    return size_text(value) if isinstance(value, tuple) else str(value).lower()


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


def read_labels(file: h5py.File, count: int) -> tuple[np.ndarray | None, list[str] | None]:
    """The labels (count,) of a file and the names of its classes, if it has any."""
    data = dataset(file, "labels")
    if data is None:
        return None, None
    labels = checked_labels(data[:], count, file.filename)
    classes = [str(name) for name in texts(file, "classes").reshape(-1)]
    most = int(labels.max()) + 1
    return labels, classes if len(classes) >= most else [str(number) for number in range(most)]


def texts(file: h5py.File, name: str) -> np.ndarray:
    """A data set of texts; an empty one where the file has none."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return np.empty(0, object)
    data = file[name]
    if not isinstance(data, h5py.Dataset) or h5py.check_string_dtype(data.dtype) is None:
        raise UserError(f"{file.filename}: expected texts in the data set '{name}'")
    return np.asarray(data.asstr(errors="backslashreplace")[...], object)
