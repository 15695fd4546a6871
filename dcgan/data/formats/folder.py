"""Picture files in a folder or a .zip, in an order that depends on their names alone."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

from dcgan.data.formats.decode import SUFFIXES
from dcgan.data.formats.listing import Listing, digest
from dcgan.errors import UserError

MEMBER_LIMIT = 256 * 2**20  # bytes of one file inside a .zip, unpacked
LOOKED_FOR = ", ".join(SUFFIXES)


def is_picture(name: str) -> bool:
    """Whether a path's last part looks like a picture; hidden files such as macOS's '._photo.jpg' do not count."""
    last = name.rsplit("/", 1)[-1]
    return last.lower().endswith(SUFFIXES) and not last.startswith(".")


class FolderListing(Listing):
    """The pictures below a folder, sorted by their path in it. Links are followed; every real folder is read once.

    fingerprint  of names and sizes: stays when the folder is copied
    version      of names, sizes and times of change: names the cache file
    """

    def __init__(self, root: Path):
        self.root = root
        self.skipped: list[tuple[str, str]] = []
        stamps: dict[str, tuple[int, int]] = {}
        pending, seen = [""], set()
        while pending:
            prefix = pending.pop()
            real = os.path.realpath(root / prefix)
            if real not in seen:  # a link to a folder that contains the link would be followed for ever
                seen.add(real)
                pending.extend(self._read_folder(prefix, stamps))
        self.names: list[str] = sorted(stamps)
        if not self.names:
            raise UserError(
                f"no images found in the folder {root}: looked for files ending in {LOOKED_FOR} "
                "(upper or lower case), in its subfolders too"
            )
        self.fingerprint = digest(f"{name}|{stamps[name][0]}" for name in self.names)
        self.version = digest([self.fingerprint, *(stamps[name][1] for name in self.names)])

    def _read_folder(self, prefix: str, stamps: dict[str, tuple[int, int]]) -> list[str]:
        """Note the pictures directly in root/prefix; return its subfolders, last name first for the caller to pop."""
        folders = []
        try:
            entries = list(os.scandir(self.root / prefix))
        except OSError as error:
            self.skipped.append((prefix or ".", f"folder not readable: {error.strerror}"))
            return []
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue
            if entry.is_dir():
                folders.append(f"{prefix}{entry.name}/")
            elif is_picture(entry.name):
                stamps[prefix + entry.name] = stamp(entry)
        return sorted(folders, key=lambda folder: folder.rstrip("/"), reverse=True)

    def open(self, index: int) -> BinaryIO:
        return open(self.root / self.names[index], "rb")

    def name(self, index: int) -> str:
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)


def stamp(entry: os.DirEntry) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds; zeros for a broken link, which is reported when it is opened."""
    try:
        status = entry.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:
        return 0, 0


class ZipListing(Listing):
    """The pictures in a .zip, sorted by name. They are read in place; nothing is ever unpacked to the disk."""

    def __init__(self, path: Path):
        self.path = path
        self.skipped: list[tuple[str, str]] = []
        try:
            self._archive = zipfile.ZipFile(path)  # several threads may read from it at once
            members = [info for info in self._archive.infolist() if is_member(info)]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise UserError(f"{path} is not a readable .zip file ({error}): copy or download it again") from None
        self.members = sorted(members, key=lambda info: info.filename)
        if not self.members:
            self._archive.close()
            raise UserError(f"no images found in {path}: looked for members ending in {LOOKED_FOR}")
        self.names: list[str] = [info.filename for info in self.members]
        self.fingerprint = self.version = digest((info.filename, info.file_size, info.CRC) for info in self.members)

    def open(self, index: int) -> BinaryIO:
        """Member `index`, unpacked into memory."""
        info = self.members[index]
        if info.flag_bits & 1:
            raise ValueError("encrypted in the .zip")
        if info.file_size > MEMBER_LIMIT:
            raise ValueError(f"claims {info.file_size:,} bytes unpacked, more than {MEMBER_LIMIT:,}")
        with self._archive.open(info) as member:
            return io.BytesIO(member.read(MEMBER_LIMIT))

    def name(self, index: int) -> str:
        return self.names[index]

    def close(self) -> None:
        self._archive.close()

    def __len__(self) -> int:
        return len(self.members)


def is_member(info: zipfile.ZipInfo) -> bool:
    """Whether a .zip member is a picture, and neither a folder nor one of macOS's shadow copies."""
    return not info.is_dir() and is_picture(info.filename) and not info.filename.startswith("__MACOSX/")
