"""Packed images: one HDF5 file with a uint8 data set "images" (N, H, W, C), read as a source."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

from dcgan.data.listing import digest
from dcgan.data.recipe import Size, size_text
from dcgan.data.source import ArraySource, Source, describe
from dcgan.errors import UserError

SUFFIXES = (".h5", ".hdf5")


class PackedSource(Source):
    """Images that stay in an HDF5 file and are read when asked for.

    Any file with a uint8 data set "images" (N, H, W, 1 or 3) will do; those of `dcgan.prepare` also say what they were
    made from.
    """

    def __init__(self, path: Path, what: str | None = None):
        self.path = path
        self.file = open_hdf5(path)
        images = self.file.get("images")
        if not is_image_set(images):
            found = f"{images.dtype} {images.shape}" if isinstance(images, h5py.Dataset) else "no such data set"
            self.file.close()
            raise UserError(
                f"{path}: expected a uint8 data set 'images' of shape (N, H, W, 1 or 3), found {found}; "
                "make one with python -m dcgan.prepare"
            )
        self.images = images
        skipped = [(name.decode(), reason.decode()) for name, reason in self.file.get("skipped", ())]
        status = path.stat()
        fingerprint = self.file.attrs.get("fingerprint") or digest([status.st_size, status.st_mtime_ns, images.shape])
        super().__init__(images.shape, describe(images.shape, what or str(path), len(skipped)), fingerprint, skipped)

    def batch(self, indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        batch = np.empty((len(indices), *self.shape[1:]), np.uint8)
        for row in np.argsort(indices, kind="stable"):  # in the file's order: fewer seeks
            batch[row] = self.images[int(indices[row])]
        return batch

    def in_memory(self) -> ArraySource:
        """The same images, all read now; the file is closed."""
        images = np.empty(self.shape, np.uint8)
        self.images.read_direct(images)
        self.close()
        return ArraySource(images, self.description, self.fingerprint, self.skipped)

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


def open_hdf5(path: Path) -> h5py.File:
    """Open for reading; raises UserError where the file is no HDF5 file or is torn."""
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise UserError(
            f"{path} is not a readable HDF5 file ({error}): make it again with python -m dcgan.prepare"
        ) from None


def is_image_set(images: object) -> bool:
    """Whether this is a uint8 data set (N >= 1, H, W, 1 or 3)."""
    return (
        isinstance(images, h5py.Dataset)
        and images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[0] > 0
        and images.shape[3] in (1, 3)
    )
