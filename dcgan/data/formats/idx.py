"""idx files, the format of MNIST, Fashion-MNIST and their like (http://yann.lecun.com/exdb/mnist, "file format").

byte   content
0      0x00 0x00, type (0x08: unsigned bytes), number of axes
4      the length of each axis, 32 bits, most significant byte first
4+4d   the numbers, last axis fastest
"""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np

from dcgan.data.formats.arrays import ArrayListing
from dcgan.data.limits import require_memory, require_plausible
from dcgan.errors import UserError

ENDINGS = ("idx3-ubyte", "idx3-ubyte.gz")  # of the names of images
IMAGES = re.compile(r"images[-.]idx3-ubyte(\.gz)?$")  # train-images-idx3-ubyte, t10k-images.idx3-ubyte.gz
UNSIGNED_BYTE = 0x08
HALF = re.compile("train|t10k|test")  # the half of a data set that a file holds, as its name says


def of_folder(folder: Path, found: list[Path]) -> ArrayListing:
    """The images of the idx files found in a folder, joined, training set first."""
    packed_first = sorted(found, key=lambda file: file.suffix == ".gz", reverse=True)
    files = {file.name.removesuffix(".gz"): file for file in packed_first}  # of a.gz and a, the later one: a
    require_one_set(folder, list(files))
    return joined(sorted(files.values(), key=lambda file: ("train" not in file.name, file.name)))


def require_one_set(folder: Path, names: list[str]) -> None:
    """Raise UserError where a folder holds more than the halves of one data set."""
    if len({HALF.sub("", name) for name in names}) > 1:
        raise UserError(f"{folder} holds more than one set of idx images: give one file, such as {folder / names[0]}")


def joined(files: list[Path]) -> ArrayListing:
    """The images of these files, joined, with the labels beside them if every file has some."""
    parts = [read(file, 3) for file in files]
    return ArrayListing(files, parts, add_channel, lambda: labels_of(files, parts))


def labels_of(files: list[Path], parts: list[np.ndarray]) -> np.ndarray | None:
    """The labels of all these images, or None where a file of labels is missing."""
    labels = []
    for file, images in zip(map(labels_beside, files), parts, strict=True):
        if file is None:
            return None
        labels.append(read(file, 1))
        if len(labels[-1]) != len(images):
            raise UserError(f"{file} holds {len(labels[-1]):,} labels for {len(images):,} images: download both again")
    return np.concatenate(labels)


def add_channel(row: np.ndarray) -> np.ndarray:
    """(H, W) to (H, W, 1)."""
    return row[..., None]


def labels_beside(images: Path) -> Path | None:
    """train-labels-idx1-ubyte for train-images-idx3-ubyte, as .gz too; None where there is none."""
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    found = [file for file in (images.with_name(name), images.with_name(name + ".gz")) if file.is_file()]
    return found[0] if found else None


def read(path: Path, axes: int) -> np.ndarray:
    """The unsigned bytes of an idx file with that many axes; a plain file is mapped, a .gz is unpacked into memory."""
    size, packed = path.stat().st_size, path.suffix == ".gz"
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            head = file.read(4 + 4 * axes)
            shape = parse_head(path, head, axes)
            nbytes = int(np.prod(shape, dtype=object))
            if not packed:
                require_length(path, shape, nbytes, size - len(head))
                return np.memmap(path, np.uint8, "r", len(head), shape)
            require_plausible(nbytes, size, path)
            require_memory(nbytes, path, "unpack it with gunzip, then it is read in place")
            data = file.read(nbytes + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({error}): download it again") from None
    require_length(path, shape, nbytes, len(data))
    return np.frombuffer(data, np.uint8).reshape(shape)


def parse_head(path: Path, head: bytes, axes: int) -> tuple[int, ...]:
    """The lengths of the axes. Raises UserError for another magic number, no images, or images of no size."""
    expected = bytes([0, 0, UNSIGNED_BYTE, axes])
    if head[:4] != expected or len(head) < 4 + 4 * axes:
        raise UserError(
            f"{path} is no idx file of unsigned bytes with {axes} axes: it begins with "
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
