"""Reading chosen files out of a .tar, packed or not, without writing any to the disk."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
TOTAL_LIMIT = 2**29  # bytes an archive may unpack to; CIFAR-10's have 185 million


def tar_members(path: Path, wanted: Container[str], limit: int) -> Iterator[tuple[str, bytes]]:
    """(last part of its name, content) of every ordinary file whose last part is wanted.

    Folders in a member's name mean nothing here, for nothing is unpacked; links and devices are passed over. Raises
    ValueError for a wanted member of more than `limit` bytes or for one that comes twice, and where the whole archive
    unpacks to more than TOTAL_LIMIT bytes.
    """
    with unpacked(path) as file:
        stream = Limited(file)
        yield from chosen(stream, wanted, limit)
        while stream.read(tarfile.RECORDSIZE):  # to the end: only there gzip compares its checksum
            pass


def chosen(stream: Limited, wanted: Container[str], limit: int) -> Iterator[tuple[str, bytes]]:
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


def unpacked(path: Path) -> Any:
    """The bytes of the tar itself."""
    return open(path, "rb") if path.name.lower().endswith(".tar") else gzip.open(path)


class Limited:
    """A stream that gives at most TOTAL_LIMIT bytes: a small .gz can unpack to terabytes."""

    def __init__(self, stream: BinaryIO):
        self.stream, self.left = stream, TOTAL_LIMIT

    def read(self, count: int) -> bytes:
        self.left -= count
        if self.left < 0:
            raise ValueError(f"it unpacks to more than {TOTAL_LIMIT:,} bytes")
        return self.stream.read(count)
