"""Which format lies at a path: `list_images` lists the pictures of any format that --data takes.

A file is recognised by its name, a folder by the names of the files in it; no file is opened to find out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dcgan.data.formats import arrow_files, cifar, hdf5, idx, lsun, numpy_files
from dcgan.data.formats.archives import ZipListing
from dcgan.data.formats.columns import ColumnListing, files_of
from dcgan.data.formats.folder import LOOKED_FOR, FolderListing, is_picture
from dcgan.data.formats.label_files import labelled
from dcgan.data.formats.labels import label
from dcgan.data.formats.listing import Listing, limited, matching
from dcgan.data.formats.tar_files import TarListing, first_names
from dcgan.data.recipe import ALL, Choice, label_table
from dcgan.errors import UserError

NAMED = (*hdf5.SUFFIXES, ".npz")  # files of several arrays: FILE:NAME means one of them
TAKEN = (
    "a folder, .zip or .tar of images, idx files (MNIST), CIFAR-10, an LMDB folder (LSUN), a .npy, .npz, .h5, "
    ".parquet or .arrow file, or FILE.h5:DATASET"
)


def list_images(path: str | os.PathLike, choice: Choice = ALL) -> Listing:
    """The images of `path` that the choice asks for, with their labels.

    Raises UserError, one line, for anything that cannot be opened or holds no image.
    """
    return chosen(recognise(*split(path)), choice, path)


def split(path: str | os.PathLike) -> tuple[Path, str | None]:
    """('faces.h5', 'train/images') of 'faces.h5:train/images'; without a name, None.

    Raises UserError where there is no such file or folder.
    """
    text = os.fspath(path)
    front, colon, name = text.rpartition(":")
    if colon and name and front.lower().endswith(NAMED) and not os.path.exists(text):
        text = front
    else:
        name = ""
    require_there(text)
    return Path(text), name or None


def require_there(text: str) -> None:
    """Raise UserError where no folder or ordinary file lies at a path: opening a pipe would wait for its other end."""
    try:
        mode = os.stat(text).st_mode if text else 0
    except (FileNotFoundError, NotADirectoryError, ValueError):
        mode = 0
    except OSError as error:
        raise UserError(f"{text} can't be read: {error.strerror}") from None
    if not mode:
        raise UserError(f"no such file or folder: {text!r}; --data takes {TAKEN}")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"{text} is a pipe, a socket or a device: expected {TAKEN}")
    if not os.access(text, os.R_OK):
        raise UserError(f"{text} can't be read: permission denied")


def is_packed(file: Path, name: str | None) -> bool:
    """Whether an HDF5 file is meant as a whole: its images are of one size already."""
    return name is None and file.suffix.lower() in hdf5.SUFFIXES


def chosen(listing: Listing, choice: Choice, path: str | os.PathLike) -> Listing:
    """The pictures of a listing that the choice asks for, with their labels; `path` is for messages."""
    if choice.pattern is not None:
        listing = matching(listing, choice.pattern, path)
    # Before the last line, so that a class without pictures keeps its number.
    if label_table(choice.labels):
        listing = labelled(listing, choice.labels)
    else:
        label(listing, choice.labels)
    return limited(listing, choice.train_size)


def recognise(file: Path, name: str | None) -> Listing:
    """All pictures of whatever lies at a path, without labels; `name` is that of one array in a file of several."""
    suffix = file.suffix.lower()
    if suffix == ".npz":
        return numpy_files.npz_listing(file, name)
    if suffix in hdf5.SUFFIXES:
        return hdf5.named_listing(file, name or "images")
    if suffix == ".npy":
        return numpy_files.npy_listing(file)
    if file.is_dir():
        return in_folder(file)
    if idx.IMAGES.search(file.name):
        return idx.joined([file])
    if file.name in cifar.BATCHES:
        return cifar.of_batch(file)
    if file.name.lower().endswith(cifar.TAR_SUFFIXES):
        return in_tar(file)
    if suffix == ".zip":
        return ZipListing(file)
    if suffix in arrow_files.SUFFIXES:
        return ColumnListing([file])
    raise UserError(
        f"{file} is of no known kind: expected {TAKEN}; images ({LOOKED_FOR}) go into a folder, a .zip or a .tar"
    )


def in_tar(file: Path) -> Listing:
    """The batches of CIFAR-10 where a .tar or .tar.gz holds one, else its pictures."""
    return cifar.in_tar(file) if cifar.BATCHES.intersection(first_names(file)) else TarListing(file)


def in_folder(folder: Path) -> Listing:
    """An LMDB, idx files or the batches of CIFAR-10 where a folder holds such files, else its pictures."""
    if os.path.isfile(folder / lsun.DATA):
        return lsun.LmdbListing(folder)
    for place in (folder, folder / "raw"):  # torchvision keeps MNIST in MNIST/raw
        if files := idx_files(place):
            return idx.of_folder(place, files)
    for place in (folder / name for name in cifar.FOLDERS):
        if files := [place / name for name in cifar.TRAINING_FILES if os.path.isfile(place / name)]:
            return cifar.of_folder(place, files)
    named = [folder / name for name in os.listdir(folder) if numpy_files.KMNIST.search(name)]
    if files := [file for file in named if os.path.isfile(file)]:
        return numpy_files.npz_folder(files)
    for place in (folder, folder / "data"):  # as Hugging Face lays out a data set
        if files := column_files(place):
            return ColumnListing(files)
    return FolderListing(folder)


def column_files(folder: Path) -> list[Path]:
    """The .parquet or .arrow files of a folder without pictures; none where there is no folder to read."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    pictures = any(map(is_picture, names))
    return [] if pictures else [file for file in files_of(folder, names) if os.path.isfile(file)]


def idx_files(folder: Path) -> list[Path]:
    """The files of a folder that are named as idx images are; none where there is no folder to read."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(idx.ENDINGS))
    except OSError:
        return []
    return [folder / name for name in names if idx.IMAGES.search(name) and os.path.isfile(folder / name)]
