"""Picture files in a .tar or .tar.gz. Nothing is ever unpacked to the disk.

A .tar is read in place: its headers are walked through once, then each picture is read where it lies. A .tar.gz can
only be read from its beginning, so it is unpacked once, into memory.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dcgan.data.formats.archives import ArchiveListing, plain_path
from dcgan.data.formats.decode import is_known
from dcgan.data.formats.folder import FIRST_BYTES, MEMBER_LIMIT, is_clutter, is_companion, is_picture
from dcgan.data.formats.labels import STYLEGAN
from dcgan.data.formats.listing import digest
from dcgan.data.formats.tar_headers import Member, members
from dcgan.data.limits import default_memory_limit
from dcgan.errors import UserError
from dcgan.streams import error_text

GZIP = b"\x1f\x8b"  # how a packed file begins, whatever its name says
CHUNK = 2**20  # bytes that are passed over in one go


class Kept(NamedTuple):
    """An ordinary file of a .tar, and in a .tar.gz its content."""

    member: Member
    content: bytes | None = None


class TarListing(ArchiveListing):
    """The pictures in a .tar or .tar.gz, sorted by name; of members of one name the last."""

    def __init__(self, path: Path):
        self.path, self.skipped = path, []
        self.kept: list[Kept] = []
        self.quick = is_packed(path)  # what is in memory needs no cache that is filled while training runs
        named = dict[str, Kept]()
        try:
            for kept in (in_memory if self.quick else in_place)(path):
                name = plain_path(kept.member.name)
                if not kept.member.reason:
                    named[name] = kept
                elif name and not any(map(is_clutter, name.split("/"))):
                    self._skip(name, kept.member.reason)
        except (EOFError, ValueError, OSError, zlib.error) as error:
            reason = error_text(error)
            raise UserError(f"{path} is not a readable .tar archive ({reason}): download it again") from None
        chosen = self._chosen([(name, name, kept) for name, kept in named.items()])
        self._all = {name: kept for name, kept in named.items() if name.endswith(STYLEGAN)}
        self.kept = [kept for _, kept in chosen]
        stamps = [(kept.member.name, kept.member.size, kept.member.time) for kept in self.kept]
        self.fingerprint = digest(stamps)
        self.version = digest([self.fingerprint, path.stat().st_size, path.stat().st_mtime_ns])

    def _head(self, kept: Kept) -> bytes:
        return self._read(kept, FIRST_BYTES)

    def _read(self, kept: Kept, count: int) -> bytes:
        """Return the first `count` bytes of a member."""
        if kept.member.size > MEMBER_LIMIT:
            raise ValueError(f"{kept.member.size:,} bytes, more than {MEMBER_LIMIT:,}")
        if kept.content is not None:
            return kept.content[:count]
        with open(self.path, "rb") as file:
            file.seek(kept.member.start)
            return file.read(min(count, kept.member.size))

    def open(self, index: int) -> BinaryIO:
        """Member `index`, in memory; its name is set as a file's is, for `decode` looks at the suffix."""
        file = io.BytesIO(self._read(self.kept[index], MEMBER_LIMIT))
        file.name = self.names[index]
        return file

    def beside(self, name: str) -> bytes | None:
        try:
            return self._read(self._all[name], MEMBER_LIMIT) if name in self._all else None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        self.kept = [kept._replace(content=b"") if self.quick else kept for kept in self.kept]


class Seekable:
    """A .tar of which headers are read and contents are passed over (tar_headers.Stream)."""

    def __init__(self, file: BinaryIO):
        self.file, self.length = file, os.fstat(file.fileno()).st_size

    def read(self, count: int) -> bytes:
        return self.file.read(count)

    def skip(self, count: int) -> None:
        end = self.file.tell() + count
        if end > self.length:
            raise EOFError("it is cut short")
        self.file.seek(end)

    def tell(self) -> int:
        return self.file.tell()


class Unpacked:
    """A .tar as it comes out of a .gz, at most `most` bytes of it: a small .gz can unpack to terabytes."""

    def __init__(self, file: gzip.GzipFile, most: int):
        self.file, self.most, self.at = file, most, 0

    def read(self, count: int) -> bytes:
        content = self.file.read(min(count, self.most - self.at + 1))
        self.at += len(content)
        if self.at > self.most:
            what = f"it unpacks to more than the {self.most:,} bytes that may be held in memory"
            raise UserError(f"{self.file.name}: {what}: unpack it with gunzip, a .tar is read in place")
        return content

    def skip(self, count: int) -> None:
        while count > 0:
            passed = len(self.read(min(count, CHUNK)))
            if not passed:
                raise EOFError("it is cut short")
            count -= passed

    def tell(self) -> int:
        return self.at


def is_packed(path: Path) -> bool:
    """Whether a .tar is packed by gzip."""
    with open(path, "rb") as file:
        return file.read(len(GZIP)) == GZIP


def in_place(path: Path) -> Iterator[Kept]:
    """Yield the members of a .tar, whose contents stay where they are."""
    with open(path, "rb") as file:
        yield from map(Kept, members(Seekable(file)))


def in_memory(path: Path) -> Iterator[Kept]:
    """Yield the members of a .tar.gz: with its content what may be a picture or says the labels of pictures."""
    with gzip.open(path) as file:
        stream = Unpacked(file, default_memory_limit())
        for member in members(stream):
            content = b""
            if not member.reason and member.size <= MEMBER_LIMIT and may_be_needed(plain_path(member.name)):
                content = stream.read(FIRST_BYTES if member.size > FIRST_BYTES else member.size)
                if is_picture(member.name) or member.name.endswith(STYLEGAN) or is_known(content):
                    content += stream.read(member.size - len(content))
            yield Kept(member, content)
        while stream.read(CHUNK):  # to the end: gzip compares its checksum only there
            pass


def may_be_needed(name: str) -> bool:
    """Whether the content of a member is of use."""
    if any(map(is_clutter, name.split("/"))):
        return False
    return is_picture(name) or name.endswith(STYLEGAN) or not is_companion(name)


def first_names(path: Path, count: int = 100) -> list[str]:
    """Return the names, without folders, of the first ordinary files of a .tar or .tar.gz, the first picture the last.

    Returns what there is before the place where the archive cannot be read.
    """
    names: list[str] = []
    with contextlib.suppress(UserError, EOFError, ValueError, OSError, zlib.error):
        for kept in (in_memory if is_packed(path) else in_place)(path):
            if not kept.member.reason:
                names.append(plain_path(kept.member.name).rsplit("/", 1)[-1])
            if len(names) == count or (names and is_picture(names[-1])):
                break
    return names
