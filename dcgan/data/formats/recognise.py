"""From a path to a listing: which format it is, and which of its pictures and labels are wanted."""

from __future__ import annotations

import os
from pathlib import Path

from dcgan.data.formats import cifar, hdf5, idx, lsun, numpy_files
from dcgan.data.formats.folder import LOOKED_FOR, FolderListing, ZipListing
from dcgan.data.formats.labels import label
from dcgan.data.formats.listing import Listing
from dcgan.data.formats.selection import Choice, limited, matching
from dcgan.errors import UserError

NAMED = (*hdf5.SUFFIXES, ".npz")  # files of several arrays: FILE:NAME means one of them
ALL = Choice()
TAKEN = (
    "a folder or .zip of images, idx files (MNIST), CIFAR-10, an LMDB folder (LSUN), a .npy, .npz or .h5 file, "
    "or FILE.h5:DATASET"
)


def split(path: str | os.PathLike) -> tuple[Path, str | None]:
    """('faces.h5', 'train/images') of 'faces.h5:train/images'; without a name, None.

    Raises UserError where there is no such file or folder.
    """
    text = os.fspath(path)
    front, colon, name = text.rpartition(":")
    if colon and name and front.lower().endswith(NAMED) and not Path(text).exists():
        text = front
    else:
        name = ""
    if not text or not Path(text).exists():
        raise UserError(f"no such file or folder: {text!r}; --data takes {TAKEN}")
    return Path(text), name or None


def is_packed(path: str | os.PathLike) -> bool:
    """Whether a path means an HDF5 file as a whole, its images brought to one size already."""
    file, name = split(path)
    return name is None and file.suffix.lower() in hdf5.SUFFIXES


def list_images(path: str | os.PathLike, choice: Choice = ALL) -> Listing:
    """The images of `path` that the choice asks for, with their labels.

    Raises UserError, one line, for anything that cannot be opened or holds no image.
    """
    listing = recognise(*split(path))
    names = getattr(listing, "names", None)  # files have them, rows of arrays do not
    if choice.pattern is not None:
        if names is None:
            raise UserError(f"--pattern: {path} is no folder or .zip of image files, so there are no names to match")
        listing = matching(listing, choice.pattern)
        names = [listing.name(index) for index in range(len(listing))]
    label(listing, choice.labels, names)
    return limited(listing, choice.train_size)


def recognise(file: Path, name: str | None) -> Listing:
    """The listing of whatever lies at a path, by its name and, of a folder, by what is in it."""
    suffix = file.suffix.lower()
    if suffix == ".npz":
        return numpy_files.npz_listing(file, name)
    if suffix in hdf5.SUFFIXES:
        return hdf5.named_listing(file, name or "images")
    if suffix == ".npy":
        return numpy_files.npy_listing(file)
    if file.is_dir() and lsun.is_lmdb(file):
        return lsun.LmdbListing(file)
    found = idx.listing(file) or cifar.listing(file)
    if found:
        return found
    if file.is_dir():
        return FolderListing(file)
    if suffix == ".zip":
        return ZipListing(file)
    raise UserError(f"{file} is of no known kind: expected {TAKEN}; images ({LOOKED_FOR}) go into a folder or a .zip")
