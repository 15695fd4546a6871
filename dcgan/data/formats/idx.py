"""idx files, the format of MNIST, Fashion-MNIST and their like (http://yann.lecun.com/exdb/mnist, "file format").

byte   content
0      0x00 0x00, type (0x08: unsigned bytes), number of axes
4      the length of each axis, 32 bits, most significant byte first
4+4d   the numbers, last axis fastest
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from dcgan.data.formats.arrays import BLACK_AND_WHITE, ArrayListing, Convert, Reading, is_binary
from dcgan.data.limits import require_memory, require_plausible
from dcgan.errors import UserError

ENDINGS = ("idx3-ubyte", "idx3-ubyte.gz")  # of the names of images
LABEL_ENDINGS = ("-idx1-ubyte", ".idx1-ubyte", "-idx2-int", ".idx2-int")  # the latter two: QMNIST's
IMAGES = re.compile(r"images[-.]idx3-ubyte(\.gz)?$")  # train-images-idx3-ubyte, t10k-images.idx3-ubyte.gz
UNSIGNED_BYTE, INT = 0x08, 0x0C
KINDS = {UNSIGNED_BYTE: "unsigned bytes", INT: "whole numbers"}
GZIP = b"\x1f\x8b"  # how a packed file begins, whatever its name says
# EMNIST's files hold every picture with rows and columns exchanged. Its classes, by the word in the file's name; those
# of "letters" count from 1. (https://www.nist.gov/itl/products-and-services/emnist-dataset)
EMNIST = re.compile(r"emnist-(\w+)-(train|test)-")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MERGED = [*ALPHABET, *"abdefghnqrt"]
EMNIST_CLASSES = {
    **dict.fromkeys(("balanced", "bymerge"), MERGED),
    "byclass": [*ALPHABET, *"abcdefghijklmnopqrstuvwxyz"],
    "letters": [*ALPHABET[10:]],
}
HALF = re.compile("train|t10k|test")  # the half of a data set that a file holds, as its name says


def of_folder(folder: Path, found: list[Path]) -> ArrayListing:
    """The images of the idx files found in a folder, joined, training set first."""
    packed_first = sorted(found, key=lambda file: file.suffix == ".gz", reverse=True)
    files = {plain_name(file): file for file in packed_first}  # of a.gz and a, the later one: a
    require_one_set(folder, files)
    return joined(sorted(files.values(), key=lambda file: ("train" not in file.name, file.name)))


def plain_name(file: Path) -> str:
    """The name without .gz and in one spelling: 7-Zip unpacks a-idx3-ubyte.gz as a.idx3-ubyte."""
    return file.name.removesuffix(".gz").replace(".idx", "-idx")


def require_one_set(folder: Path, files: dict[str, Path]) -> None:
    """Raise UserError where a folder holds more than the halves of one data set."""
    if len({HALF.sub("", name) for name in files}) > 1:
        first = next(iter(files.values()))
        raise UserError(f"{folder} holds more than one set of idx images: give one file, such as {first}")


def joined(files: list[Path]) -> ArrayListing:
    """The images of these files, joined, with the labels beside them if every file has some."""
    parts = [read(file, 3) for file in files]
    emnist = EMNIST.search(files[0].name)
    turned, notes = (upright, ["EMNIST, turned upright"]) if emnist else (add_channel, [])
    convert: Convert = turned
    if binary := all(map(is_binary, parts)):
        notes.append(BLACK_AND_WHITE.note)
    if notes:
        convert = Reading(lambda row: turned(BLACK_AND_WHITE(row) if binary else row), "; ".join(notes))
    classes = EMNIST_CLASSES.get(emnist[1]) if emnist else None
    from_one = classes is not None and emnist is not None and emnist[1] == "letters"
    return ArrayListing(files, parts, convert, lambda: labels_of(files, parts, from_one), classes)


def labels_of(files: list[Path], parts: list[np.ndarray], from_one: bool) -> np.ndarray | None:
    """The labels of all these images, or None where a file of labels is missing."""
    labels = []
    for file, images in zip(map(labels_beside, files), parts, strict=True):
        if file is None:
            return None
        labels.append(read_labels(file))
        if len(labels[-1]) != len(images):
            raise UserError(f"{file} holds {len(labels[-1]):,} labels for {len(images):,} images: download both again")
    found = np.concatenate(labels)
    return found.astype(np.int64) - 1 if from_one and found.min() > 0 else found


def add_channel(row: np.ndarray) -> np.ndarray:
    """(H, W) to (H, W, 1)."""
    return row[..., None]


def upright(row: np.ndarray) -> np.ndarray:
    """(W, H), as EMNIST stores it, to (H, W, 1)."""
    return row.T[..., None]


def labels_beside(images: Path) -> Path | None:
    """train-labels-idx1-ubyte for train-images-idx3-ubyte, with a dot or a dash, as .gz too; None: there is none."""
    stem = IMAGES.sub("labels", images.name)
    found = [images.with_name(stem + end + gz) for end in LABEL_ENDINGS for gz in ("", ".gz")]
    return next((file for file in found if os.path.isfile(file)), None)


def read_labels(path: Path) -> np.ndarray:
    """The labels (n,) of a file: one byte each, or the first of QMNIST's eight numbers."""
    if "idx2-int" in path.name:
        return read(path, 2, INT)[:, 0]
    return read(path, 1)


def read(path: Path, axes: int, kind: int = UNSIGNED_BYTE) -> np.ndarray:
    """The numbers of an idx file with that many axes; a plain file is mapped, a packed one is unpacked into memory."""
    size, dtype = path.stat().st_size, np.dtype(np.uint8 if kind == UNSIGNED_BYTE else ">i4")
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            head = file.read(4 + 4 * axes)
            shape = parse_head(path, head, axes, kind)
            nbytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if not packed:
                require_length(path, shape, nbytes, size - len(head))
                return np.memmap(path, dtype, "r", len(head), shape)
            require_plausible(nbytes, size, path)
            require_memory(nbytes, path, "unpack it with gunzip, then it is read in place")
            data = file.read(nbytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({error}): download it again") from None
    require_length(path, shape, nbytes, len(data))
    return np.frombuffer(data, dtype).reshape(shape)


def parse_head(path: Path, head: bytes, axes: int, kind: int) -> tuple[int, ...]:
    """The lengths of the axes. Raises UserError for another magic number, no images, or images of no size."""
    expected = bytes([0, 0, kind, axes])
    if head[:4] != expected or len(head) < 4 + 4 * axes:
        raise UserError(
            f"{path} is no idx file of {KINDS[kind]} with {axes} axes: it begins with "
            f"{head[:4].hex(' ') or 'nothing'}, expected {expected.hex(' ')}"
        )
    shape = struct.unpack(f">{axes}I", head[4:])
    if 0 in shape:
        raise UserError(f"{path} holds no images: its header says {'x'.join(map(str, shape))}")
    return shape


def require_length(path: Path, shape: tuple[int, ...], nbytes: int, found: int) -> None:
    """Raise UserError where the file is shorter or longer than its header says."""
    if found != nbytes:
        more = "fewer" if found < nbytes else "more"
        raise UserError(
            f"{path} holds {more} bytes than the {nbytes:,} of {'x'.join(map(str, shape))} that its header claims: "
            "download it again"
        )
