"""Picture files in a .zip, and what all archives have in common: members with names, of which some are pictures."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from dcgan.data.formats.decode import is_known
from dcgan.data.formats.folder import (
    FIRST_BYTES,
    MEMBER_LIMIT,
    NO_PICTURE,
    OWN_RUN,
    RAW,
    is_clutter,
    is_companion,
    is_picture,
    is_run,
    no_images,
)
from dcgan.data.formats.listing import Listing, digest
from dcgan.errors import UserError
from dcgan.streams import error_text


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
            self._skip(name, error_text(error))
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
                f"{path} is not a readable .zip file ({error_text(error)}): copy or download it again"
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


def plain_path(name: str) -> str:
    """The path of a member of an archive, relative, with slashes.

    Windows wrote backslashes; `/a`, `../a` and `C:/a` are all just `a`, for nothing is unpacked.
    """
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..") and not (len(part) == 2 and part[1] == ":"))


def run_folders(names: Iterable[str]) -> set[str]:
    """The folders among these paths that dcgan.train wrote, as `runs/0001/`; the topmost folder is none."""
    inside: dict[str, set[str]] = {}
    for name in names:
        if "config.json" in name or name.endswith("log.jsonl") or "/samples/" in name or "/checkpoints/" in name:
            parts = name.split("/")
            for depth in range(1, len(parts)):
                inside.setdefault("/".join(parts[:depth]) + "/", set()).add(parts[depth])
    return {folder for folder, entries in inside.items() if is_run(entries)}
