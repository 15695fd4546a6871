"""CIFAR-10 as its page offers it: binary or Python version, as a folder, a .tar or .tar.gz, or one batch file.

Binary version: records of 3,073 bytes, the label and then the red, green and blue planes of 32x32 each. Python version:
pickled dictionaries with "data" (n, 3072) of the same planes and "labels". (https://www.cs.toronto.edu/~kriz/cifar.html)
An archive is read without writing any of its files to the disk.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import numpy as np

from dcgan.data.formats import safe_pickle
from dcgan.data.formats.arrays import ArrayListing
from dcgan.errors import UserError

PLANES = 3 * 32 * 32
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TRAINING = [f"data_batch_{i}" for i in range(1, 6)]
TRAINING_FILES = [name + suffix for name in TRAINING for suffix in (".bin", "")]
BATCHES = {name + suffix for name in (*TRAINING, "test_batch") for suffix in ("", ".bin")}
FOLDERS = ("", "cifar-10-batches-bin", "cifar-10-batches-py")
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
BATCH_LIMIT = 2**26  # bytes; a true batch has 31 million
TOTAL_LIMIT = 2**29  # bytes an archive may unpack to; CIFAR-10's have 185 million

Part = tuple[np.ndarray, np.ndarray]  # images (n, 3072) uint8, labels (n,)


def of_folder(folder: Path, files: list[Path]) -> ArrayListing:
    """The 50,000 training images of the batch files found in a folder."""
    require_all(folder, (file.name for file in files))
    return joined(files, [parse(file.name, read(file), file) for file in files])


def of_batch(file: Path) -> ArrayListing:
    """The 10,000 images of one batch file."""
    return joined([file], [parse(file.name, read(file), file)])


def in_tar(path: Path) -> ArrayListing:
    """The training images of CIFAR-10's archive, read in one go."""
    try:
        members = dict(tar_members(path, BATCHES, BATCH_LIMIT))
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError) as error:
        raise UserError(f"{path} is not a readable .tar archive ({error}): download it again") from None
    names = sorted(name for name in members if name.startswith("data_batch"))
    require_all(path, names)
    return joined([path], [parse(name, members[name], f"{path}, {name}") for name in names])


def require_all(origin: Path, names: Iterable[str]) -> None:
    """Raise UserError unless all five training batches are there, in one version."""
    found = list(names)
    missing = [name for name in TRAINING if sum(other.removesuffix(".bin") == name for other in found) != 1]
    if missing:
        raise UserError(
            f"{origin}: expected CIFAR-10's training batches {TRAINING[0]} to {TRAINING[-1]}, each once; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not"
        )


def joined(files: list[Path], parts: list[Part]) -> ArrayListing:
    """The images and labels of these batches, joined."""
    labels = np.concatenate([labels for _, labels in parts])
    return ArrayListing(files, [images for images, _ in parts], planes_last, lambda: labels, CLASSES)


def planes_last(row: np.ndarray) -> np.ndarray:
    """An image of 3,072 bytes, plane by plane, as (32, 32, 3)."""
    return row.reshape(3, 32, 32).transpose(1, 2, 0)


def read(file: Path) -> bytes:
    """The content of a batch file. Raises UserError where it is far too large to be one."""
    if file.stat().st_size > BATCH_LIMIT:
        raise UserError(f"{file}: {file.stat().st_size:,} bytes, no CIFAR-10 batch has more than {BATCH_LIMIT:,}")
    return file.read_bytes()


def parse(name: str, content: bytes, origin: object) -> Part:
    """Images and labels of a batch of either version. Raises UserError where it is not one."""
    return parse_binary(content, origin) if name.endswith(".bin") else parse_python(content, origin)


def parse_binary(content: bytes, origin: object) -> Part:
    """Images and labels of records of 1 + 3,072 bytes."""
    if not content or len(content) % (1 + PLANES):
        raise UserError(
            f"{origin} is truncated: {len(content):,} bytes are no multiple of {1 + PLANES:,}, the length of a record"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + PLANES)
    if records[:, 0].max() >= len(CLASSES):
        raise UserError(f"{origin} is no CIFAR-10 batch: a label is {records[:, 0].max()}, expected 0 to 9")
    return records[:, 1:], records[:, 0].astype(np.int64)


def parse_python(content: bytes, origin: object) -> Part:
    """Images and labels of a pickled dictionary, which is read without executing it."""
    try:
        batch = safe_pickle.load(content)
    except ValueError as error:
        raise UserError(f"{origin} is no CIFAR-10 batch: {error}") from None
    batch = batch if isinstance(batch, dict) else {}
    images: Any
    labels: Any
    images, labels = (batch.get(name.encode(), batch.get(name)) for name in ("data", "labels"))  # Python 2, 3
    fits = isinstance(images, np.ndarray) and isinstance(labels, list) and images.shape == (len(labels), PLANES)
    if not fits or not labels or any(type(label) is not int or not 0 <= label < len(CLASSES) for label in labels):
        raise UserError(f"{origin} is no CIFAR-10 batch: expected data (n, {PLANES}) and n labels from 0 to 9")
    return images, np.array(labels, np.int64)


def tar_members(path: Path, wanted: Container[str], limit: int) -> Iterator[tuple[str, bytes]]:
    """(name without folders, content) of every ordinary file of a .tar whose name is wanted.

    The folders in a member's name are ignored, since nothing is written to the disk; links and devices are passed over.
    Raises ValueError for a wanted member of more than `limit` bytes, for one that comes twice, and for an archive that
    unpacks to more than TOTAL_LIMIT bytes.
    """
    with open(path, "rb") if path.name.lower().endswith(".tar") else gzip.open(path) as file:
        stream = Limited(file)
        yield from stream_members(stream, wanted, limit)
        while stream.read(tarfile.RECORDSIZE):  # read to the end: gzip compares its checksum only there
            pass


def stream_members(stream: Limited, wanted: Container[str], limit: int) -> Iterator[tuple[str, bytes]]:
    """`tar_members` of an open stream."""
    seen = set()
    with tarfile.open(fileobj=cast(Any, stream), mode="r|") as archive:
        for member in archive:
            name = PurePosixPath(member.name).name
            if not member.isreg() or name not in wanted:
                continue
            if member.size > limit or name in seen:
                what = "comes twice" if name in seen else f"claims {member.size:,} bytes, more than {limit:,}"
                raise ValueError(f"member {name} {what}")
            seen.add(name)
            file = archive.extractfile(member)
            assert file is not None  # it is an ordinary file
            yield name, file.read()


class Limited:
    """A stream that gives at most TOTAL_LIMIT bytes: a small .gz can unpack to terabytes."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile):
        self.stream, self.left = stream, TOTAL_LIMIT

    def read(self, count: int) -> bytes:
        self.left -= count
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {TOTAL_LIMIT:,} bytes")
        return self.stream.read(count)
