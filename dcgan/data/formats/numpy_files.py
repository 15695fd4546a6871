"""Pictures in .npy and .npz files, read with pickles off. A .npy is mapped, a .npz is unpacked into memory."""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from dcgan.data.formats.arrays import ArrayListing, converter
from dcgan.data.limits import require_memory, require_plausible
from dcgan.errors import UserError
from dcgan.streams import error_text

Header = tuple[tuple[int, ...], np.dtype]  # shape and type, read before anything is allocated
HALVES = re.compile("train|val|valid|test")  # in the names of the parts of a data set, such as x_train and x_test


BESIDE = re.compile("imgs|images", re.IGNORECASE)  # kmnist-train-imgs.npz lies beside kmnist-train-labels.npz
KMNIST = re.compile(r"-imgs\.npz$")


def npy_listing(path: Path) -> ArrayListing:
    """The images of a .npy file; the labels of faces.npy are those of faces_labels.npy beside it."""
    images = mapped(path)
    beside = path.with_name(path.stem + "_labels.npy")
    labels = (lambda: mapped(beside)) if beside.is_file() else None
    return ArrayListing([path], [images], converter(images, path), labels)


def mapped(path: Path) -> np.ndarray:
    """The array of a .npy file, left on the disk."""
    try:
        with open(path, "rb") as file, quiet():
            head = read_header(file)
            if head is None:
                raise ValueError("Python objects, or a format unknown here")
            require_held(head, path.stat().st_size)
            return npy.open_memmap(path, mode="r")
    except Exception as error:  # noqa: BLE001  (a damaged header may raise nearly anything)
        raise UserError(f"{path} is not a readable .npy file of numbers ({error_text(error)})") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Hide Python's warnings of a header that is read as an expression, such as of an unknown escape in a text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def require_held(head: Header, size: int) -> None:
    """Raise ValueError where a header claims other numbers than a file of that many bytes can hold."""
    shape, dtype = head
    nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize  # as Python's numbers, which do not overflow
    if min(shape, default=0) < 0 or nbytes > size:
        raise ValueError(f"its header claims {dtype} {shape}, {nbytes:,} bytes; the file has {size:,}")


def npz_listing(path: Path, inner: str | None = None) -> ArrayListing:
    """The images of a .npz: the array named, or the only one of images, or those of its train and test parts joined."""
    with readable(path), zipfile.ZipFile(path) as archive:
        arrays = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        headers = {info.filename.removesuffix(".npy"): header(archive, info) for info in arrays}
        chosen = choose(path, headers, inner)
    images = unpacked(path, chosen)  # joined before they are scaled, so that all parts are scaled alike
    found = [labels_of(name, headers) for name in chosen]
    names = [name for name in found if name]
    labels = (lambda: unpacked(path, names)) if len(names) == len(found) else (lambda: labels_beside(path, len(images)))
    return ArrayListing([path], [images], converter(images, path), labels)


def npz_folder(files: list[Path]) -> ArrayListing:
    """The images of KMNIST's files in a folder, training set first, with the labels that lie beside them."""
    files = sorted(files, key=lambda file: ("train" not in file.name, file.name))
    if len({HALVES.sub("", file.name) for file in files}) > 1:
        raise UserError(f"{files[0].parent} holds more than one set of images: give one file, such as {files[0]}")
    listings = [npz_listing(file) for file in files]
    parts = [part for listing in listings for part in listing.parts]

    def labels() -> np.ndarray | None:
        found = [labels_beside(file, len(part)) for file, part in zip(files, parts, strict=True)]
        known = [one for one in found if one is not None]
        return np.concatenate(known) if len(known) == len(found) else None

    return ArrayListing(files, parts, listings[0].convert, labels)


def labels_beside(path: Path, count: int) -> np.ndarray | None:
    """The labels (count,) in a file of their own that lies beside a .npz of images; None where there is none."""
    beside = path.with_name(BESIDE.sub("labels", path.name))
    if beside == path or not os.path.isfile(beside):
        return None
    with readable(beside), zipfile.ZipFile(beside) as archive:
        names = [info.filename.removesuffix(".npy") for info in archive.infolist() if info.filename.endswith(".npy")]
    labels = unpacked(beside, names) if len(names) == 1 else None
    return labels if labels is not None and labels.size == count else None


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """While a .npz is read, turn whatever its archive, a header or an array raises into one UserError."""
    try:
        with quiet():
            yield
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  (damaged files make zipfile, zlib and NumPy raise nearly anything)
        raise UserError(f"{path} is not a readable .npz file of numbers ({error_text(error)})") from None


def unpacked(path: Path, names: list[str]) -> np.ndarray:
    """The arrays of these names, joined along their first axis."""
    with readable(path), zipfile.ZipFile(path) as archive:
        parts = [unpack(archive, name, f"{path}, array {name}") for name in names]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]


def header(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header | None:
    """`read_header` of a member."""
    with archive.open(info) as member:
        return read_header(member)


def read_header(file: IO[bytes]) -> Header | None:
    """Shape and type of a .npy; None where it holds Python objects or is of a format unknown here."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(file)
    if version not in readers:
        return None
    shape, _, dtype = readers[version](file)
    return None if dtype.hasobject else (shape, dtype)


def choose(path: Path, headers: dict[str, Header | None], inner: str | None) -> list[str]:
    """The names of the arrays that hold the images."""
    if inner is not None:
        if headers.get(inner) is None:
            raise UserError(f"{path}: no array of numbers is called '{inner}'; there are {listed(headers)}")
        return [inner]
    images = [name for name, head in headers.items() if head and len(head[0]) in (3, 4)]
    stems = {HALVES.sub("", name) for name in images}
    shapes = {headers[name][0][1:] for name in images}  # type: ignore[index]
    if len(images) == 1 or (images and len(stems) == len(shapes) == 1):
        return sorted(images, key=lambda name: ("train" not in name, name))
    problem = "which of them are the images?" if images else "none has the shape of images, (N, H, W) or 4 axes;"
    raise UserError(f"{path} holds {listed(headers)}: {problem} Name one: --data {path}:NAME")


def listed(headers: dict[str, Header | None]) -> str:
    """The arrays of a file for a message, at most eight."""
    some = [f"{name} {head[0]}" if head else f"{name} (Python objects)" for name, head in list(headers.items())[:8]]
    return ", ".join(some) + (" and more" if len(headers) > 8 else "") if some else "no arrays"


def labels_of(images: str, headers: dict[str, Header | None]) -> str | None:
    """The array with the labels of these images: y_train for x_train, test_labels for test_images, labels, y."""
    names = [images.replace("images", "labels"), re.sub(r"^x|(?<=_)x", "y", images, flags=re.I), "labels", "y"]
    if HALVES.search(images):
        names = names[:2]
    return next((name for name in names if name != images and may_be_labels(headers.get(name))), None)


def may_be_labels(header: Header | None) -> bool:
    """Whether an array has the axes of labels; whether it fits the images, `class_numbers` finds out."""
    return header is not None and len(header[0]) in (1, 2)


def unpack(archive: zipfile.ZipFile, name: str, what: str) -> np.ndarray:
    """A member as an array. Raises UserError where it claims more than it can hold, or more than fits into memory."""
    info = archive.getinfo(name + ".npy")
    shape, dtype = header(archive, info) or ((), np.dtype(bool))
    nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    require_plausible(info.file_size, info.compress_size, what)
    require_memory(nbytes, what, "save it as a .npy file, which is read in place")
    if nbytes > info.file_size:
        raise UserError(f"{what} claims {nbytes:,} bytes of numbers but holds {info.file_size:,}: damaged")
    with archive.open(info) as member:
        return npy.read_array(member, allow_pickle=False)
