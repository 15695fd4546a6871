"""Picture files in a folder or an archive, in an order that depends on their names alone.

What systems and programs leave lying about is left out: hidden files, thumbnails, waste baskets, our own runs.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dcgan.data.formats.decode import is_known
from dcgan.data.formats.file_names import (
    NO_PICTURE,
    OWN_RUN,
    RAW,
    is_clutter,
    is_companion,
    is_picture,
    is_run,
    no_images,
    plain_path,
    run_folders,
)
from dcgan.data.formats.listing import Listing, digest, one_line
from dcgan.errors import UserError

MEMBER_LIMIT = 256 * 2**20  # bytes of one file inside a .zip, unpacked
NO_FILE = "a pipe, a socket or a device, no file"
FIRST_BYTES = 64  # that tell a picture from other files


class FolderListing(Listing):
    """The pictures below a folder, sorted by their path in it. Links are followed; every real folder is read once.

    What is neither a picture nor a companion is listed in `skipped`; a pipe or a device is never opened.

    fingerprint  of names and sizes: stays when the folder is copied
    version      of names, sizes and times of change
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
        self.skipped.sort()  # the system lists a folder in any order
        self.names: list[str] = sorted(stamps)
        if not self.names:
            raise UserError(no_images(f"the folder {root}", self.skipped))
        self.fingerprint = digest(f"{name}|{stamps[name][0]}" for name in self.names)
        self.version = digest([self.fingerprint, *(stamps[name][1] for name in self.names)])

    def _read_folder(self, prefix: str, stamps: dict[str, tuple[int, int]]) -> list[str]:
        """Note the pictures directly in root/prefix; return its subfolders, last name first for the caller to pop."""
        folders = []
        try:
            entries = list(os.scandir(self.root / prefix))
        except OSError as error:
            if not prefix:
                raise UserError(f"the folder {self.root} can't be read: {error.strerror}") from None
            self._skip(prefix, f"folder not readable: {error.strerror}")
            return []
        if prefix and is_run(entry.name for entry in entries):
            self._skip(prefix, OWN_RUN)
            return []
        for entry in entries:
            if not is_clutter(entry.name) and self._note(prefix + entry.name, entry, stamps):
                folders.append(f"{prefix}{entry.name}/")
        return sorted(folders, key=lambda folder: folder.rstrip("/"), reverse=True)

    def _note(self, path: str, entry: os.DirEntry, stamps: dict[str, tuple[int, int]]) -> bool:
        """Note a picture, or why a file is none; return whether the entry is a folder instead."""
        try:
            status = entry.stat()
        except OSError as error:
            if is_picture(path):
                stamps[path] = 0, 0  # such as a broken link; opening the file will say what is wrong
            elif not is_companion(path):
                self._skip(path, error.strerror or "can't be read")
            return False
        if stat.S_ISDIR(status.st_mode):
            return True
        if self._is_taken(path, status.st_mode):
            stamps[path] = status.st_size, status.st_mtime_ns
        return False

    def _is_taken(self, path: str, mode: int) -> bool:
        """Whether a file is a picture, by its suffix or its first bytes; note in `skipped` why it is not."""
        if is_picture(path) and stat.S_ISREG(mode):
            return True
        if is_companion(path):
            return False
        try:
            if not stat.S_ISREG(mode):
                raise ValueError(NO_FILE)
            with open_file(self.root / path) as file:
                known = is_known(file.read(FIRST_BYTES))
            if not known or path.lower().endswith(RAW):
                raise ValueError(NO_PICTURE)
        except (OSError, ValueError) as error:
            self._skip(path, getattr(error, "strerror", None) or str(error))
            return False
        return True

    def open(self, index: int) -> BinaryIO:
        return open_file(self.root / self.names[index])

    def beside(self, name: str) -> bytes | None:
        try:
            with open_file(self.root / name) as file:
                return file.read(MEMBER_LIMIT)
        except (OSError, ValueError):
            return None

    def name(self, index: int) -> str:
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)


def open_file(path: Path) -> BinaryIO:
    """An ordinary file, for reading; ValueError for anything else. Opening a pipe would wait for its other end."""
    if not hasattr(os, "O_NONBLOCK"):  # not on this system
        return open(path, "rb")
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(NO_FILE)
    return file


class ArchiveListing(Listing):
    """The pictures among named members of a file `path`, sorted by name; a subclass reads the members."""

    path: Path

    def _head(self, member: Any) -> bytes:
        """The first bytes of a member. Raises anything where it is damaged."""
        raise NotImplementedError

    def _chosen(self, named: Sequence[tuple[str, str, Any]]) -> list[tuple[str, Any]]:
        """(name, member) of the pictures among (name, name to sort by, member), which become the listing's names."""
        runs = run_folders(name for name, _, _ in named)
        chosen = [item for item in named if self._is_taken(item[0], item[2], runs)]
        for folder in sorted(runs):
            self._skip(folder, OWN_RUN)
        chosen.sort(key=lambda item: item[1])
        self.names: list[str] = [name for name, _, _ in chosen]
        if not chosen:
            self.close()
            raise UserError(no_images(str(self.path), self.skipped))
        return [(name, member) for name, _, member in chosen]

    def _is_taken(self, name: str, member: Any, runs: set[str]) -> bool:
        """Whether a member is a picture, by its suffix or its first bytes; note in `skipped` why it is not."""
        if not name or any(map(is_clutter, name.split("/"))) or name.startswith(tuple(runs)):
            return False
        if is_picture(name) or is_companion(name):
            return is_picture(name)
        try:
            if name.lower().endswith(RAW) or not is_known(self._head(member)):
                raise ValueError(NO_PICTURE)
        except Exception as error:  # noqa: BLE001  (a damaged member makes zipfile and zlib raise nearly anything)
            self._skip(name, str(error) or type(error).__name__)
            return False
        return True

    def name(self, index: int) -> str:
        return self.names[index]

    def __len__(self) -> int:
        return len(self.names)


class ZipListing(ArchiveListing):
    """The pictures in a .zip, sorted by name. They are read in place; nothing is ever unpacked to the disk."""

    def __init__(self, path: Path):
        self.path = path
        self.skipped: list[tuple[str, str]] = []
        try:
            self._archive = zipfile.ZipFile(path)  # several threads may read from it at once
            members = [info for info in self._archive.infolist() if not info.filename.endswith("/")]
        except Exception as error:  # noqa: BLE001  (damaged files make zipfile raise nearly anything)
            raise UserError(
                f"{path} is not a readable .zip file ({one_line(str(error))}): copy or download it again"
            ) from None
        named = [(member_name(info), info.filename.replace("\\", "/"), info) for info in members]
        self.members: list[zipfile.ZipInfo] = [info for _, info in self._chosen(named)]
        self.fingerprint = self.version = digest((info.filename, info.file_size, info.CRC) for info in self.members)
        self._all = {name: info for name, _, info in named}

    def _head(self, member: zipfile.ZipInfo) -> bytes:
        return self._read(member, FIRST_BYTES)

    def _read(self, info: zipfile.ZipInfo, count: int) -> bytes:
        """The first `count` bytes of a member, unpacked."""
        if info.flag_bits & 1:
            raise ValueError("encrypted in the .zip")
        if info.file_size > MEMBER_LIMIT:
            raise ValueError(f"claims {info.file_size:,} bytes unpacked, more than {MEMBER_LIMIT:,}")
        with self._archive.open(info) as member:
            return member.read(count)

    def open(self, index: int) -> BinaryIO:
        """Member `index`, unpacked into memory; its name is set as a file's is, for `decode` looks at the suffix."""
        file = io.BytesIO(self._read(self.members[index], MEMBER_LIMIT))
        file.name = self.names[index]
        return file

    def beside(self, name: str) -> bytes | None:
        try:
            return self._read(self._all[name], MEMBER_LIMIT) if name in self._all else None
        except Exception:  # noqa: BLE001  (as above)
            return None

    def close(self) -> None:
        self._archive.close()


def member_name(info: zipfile.ZipInfo) -> str:
    """The path of a .zip member, relative, with slashes and in the right letters.

    Where a member does not say that its name is UTF-8, zipfile reads it as cp437; if those bytes are UTF-8, they were
    meant so.
    """
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return plain_path(name)
