"""Data sets of HDF5 files from anywhere: which may be read, and the images of one that is named, FILE.h5:GROUP/NAME."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dcgan.data.formats.arrays import ArrayListing, converter
from dcgan.data.formats.checker import check
from dcgan.data.limits import default_memory_limit, require_plausible
from dcgan.errors import UserError
from dcgan.streams import error_text

SUFFIXES = (".h5", ".hdf5")
LABELS = ("labels", "label", "y")
ATTRIBUTES = ("recipe", "fingerprint", "part")  # texts of a packed file; the last is that of an unfinished one
MOST_TEXT, MOST_TEXTS = 2**20, 50_000_000  # bytes of an attribute, texts in a data set
CHUNK_CACHE = 2**26  # bytes of unpacked chunks kept: rows are asked for one by one


@contextmanager
def damage(what: object) -> Iterator[None]:
    """While HDF5 reads, turn whatever it raises for a damaged file into one UserError."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (RuntimeError, KeyError, OSError, ... by the place of the damage)
        raise UserError(f"{what} can't be read ({error_text(error)}): the file is damaged") from None


def open_hdf5(path: Path, name: str | None) -> h5py.File:
    """Open for reading, checked by a helper process for what is to be read: data set `name`; None: the file is ours.

    Raises UserError where the file is no HDF5 file or is torn.
    """
    if name is not None:
        check("hdf5", path, name)
    return open_file(path)


def open_file(path: Path) -> h5py.File:
    """Open for reading. Raises UserError where the file is no HDF5 file or is torn."""
    try:
        return h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE)
    except Exception as error:  # noqa: BLE001  (mostly OSError, but damaged files have brought RuntimeError too)
        raise UserError(
            f"{path} is not a readable HDF5 file ({error_text(error)}): make it again with "
            "python -m dcgan.prepare"
        ) from None


def text_attribute(file: h5py.File, name: str) -> str | None:
    """An attribute of the file that is a text; None where there is none, or of another kind."""
    with damage(file.filename):
        if name not in file.attrs or file.attrs.get_id(name).get_storage_size() > MOST_TEXT:
            return None
        value = file.attrs[name]
    return value if isinstance(value, str) else None


def dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """The data set of that path in the file, checked to lie in the file and to be readable; None where there is none.

    Raises UserError for links, which may lead to any file of this machine, for data kept in other files, for an unknown
    compression, and for sizes that the file cannot hold.
    """
    with damage(f"{file.filename}:{name}"):
        return _dataset(file, name)


def _dataset(file: h5py.File, name: str) -> h5py.Dataset | None:
    """`dataset` of a sound file."""
    where: Any = file
    for part in [part for part in name.split("/") if part]:
        link = where.get(part, getlink=True) if isinstance(where, h5py.Group) else None
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise UserError(
                f"{file.filename}: '{name}' is a link ({type(link).__name__}): give the data set it leads to"
            )
        where = where[part]
    if not isinstance(where, h5py.Dataset):
        return None
    require_readable(where, f"{file.filename}:{name}")
    return where


def texts(file: h5py.File, name: str) -> np.ndarray:
    """A data set of texts; an empty one where the file has none. Raises UserError as `dataset` does."""
    with damage(f"{file.filename}:{name}"):
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            return np.empty(0, object)
        data = file[name]
        if not isinstance(data, h5py.Dataset) or h5py.check_string_dtype(data.dtype) is None:
            raise UserError(f"{file.filename}: expected texts in the data set '{name}'")
        require_readable(data, f"{file.filename}:{name}", is_text=True)
        if data.size > MOST_TEXTS:
            raise UserError(f"{file.filename}:{name} claims {data.size:,} texts, more than {MOST_TEXTS:,}")
        return np.asarray(data.asstr(errors="backslashreplace")[...], object)


def require_readable(data: h5py.Dataset, what: str, is_text: bool = False) -> None:
    """Raise UserError where the data set's content lies elsewhere, needs a missing filter, or cannot be that large."""
    if data.is_virtual or data.external:
        raise UserError(f"{what} keeps its data in other files: copy it into one, for example with h5repack")
    layout = data.id.get_create_plist()
    for number in range(layout.get_nfilters()):
        code, _, _, label = layout.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            text = label.decode("ascii", "backslashreplace") or "unnamed"
            raise UserError(f"{what} is compressed with {text} ({code}), unknown here: h5repack -f GZIP=4 changes that")
    if data.shape is None or (data.dtype.hasobject and not is_text):
        raise UserError(f"{what} holds no numbers")
    require_plausible(data.nbytes, data.id.get_storage_size(), what)
    if data.chunks and int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize > default_memory_limit():
        raise UserError(
            f"{what} is stored in chunks of {data.chunks}, which do not fit into memory: h5repack changes that"
        )


def named_listing(path: Path, name: str) -> ArrayListing:
    """The images of a data set of any HDF5 file, with the labels found beside it."""
    file = open_hdf5(path, name)
    try:
        with damage(f"{path}:{name}"):
            images = dataset(file, name)
            if images is None:
                raise UserError(f"{path} has no data set '{name}'; it holds {contents(file)}")
            convert = converter(images, f"{path}:{name}")
            return NamedListing(file, [path], [images], convert, lambda: labels_beside(file, name))
    except BaseException:
        file.close()
        raise


def labels_beside(file: h5py.File, name: str) -> np.ndarray | None:
    """The labels that lie in the same group as a data set of images, if there are any."""
    group = name.rstrip("/").rpartition("/")[0]
    with damage(f"{file.filename}, its labels"):
        found = (label_values(file, f"{group}/{label}") for label in LABELS)
        return next((values for values in found if values is not None), None)


def label_values(file: h5py.File, name: str) -> np.ndarray | None:
    """The content of a data set of labels, numbers or texts; None where there is none, or of more than two axes."""
    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if isinstance(found, h5py.Dataset) and h5py.check_string_dtype(found.dtype) is not None:
        return texts(file, name)
    data = dataset(file, name)
    return data[:] if data is not None and data.ndim in (1, 2) else None


class NamedListing(ArrayListing):
    """An ArrayListing that closes its HDF5 file."""

    def __init__(self, file: h5py.File, *arguments: Any):
        self.file = file
        super().__init__(*arguments)

    def close(self) -> None:
        self.file.close()


def contents(file: h5py.File) -> str:
    """The data sets of a file for a message, at most eight."""
    found: list[str] = []

    def note(name: str, item: object) -> bool | None:
        if isinstance(item, h5py.Dataset):
            found.append(f"{name} {item.dtype} {item.shape}")
        return True if len(found) > 8 else None

    with damage(file.filename):
        file.visititems(note)
    return ", ".join(found[:8]) + (" and more" if len(found) > 8 else "") if found else "no data sets"
