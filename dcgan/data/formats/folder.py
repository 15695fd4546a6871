"""Picture files in a folder, in an order that depends on their names alone.

What systems and programs leave lying about is left out: hidden files, thumbnails, waste baskets, our own runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from dcgan.data.formats.decode import SUFFIXES, is_known
from dcgan.data.formats.listing import Listing, digest
from dcgan.errors import UserError

MEMBER_LIMIT = 256 * 2**20  # bytes of one file inside an archive, unpacked
LOOKED_FOR = f"{', '.join(SUFFIXES[:6])} and {len(SUFFIXES) - 6} more endings"
CLUTTER = {
    *("__macosx", "@eadir", "@tmp", "@recycle", "@__thumb", "#recycle", "#snapshot", "$recycle.bin", "recycler"),
    *("lost+found", "system volume information", "network trash folder", "temporary items", "@recently-snapshot"),
    *("found.000", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "zbthumbnail.info", "desktop.ini", "icon\r"),
    *("cvs", "__pycache__", "node_modules", "site-packages"),
}
# Files that often lie beside pictures and are none: they are passed over, neither opened nor listed.
COMPANIONS = (
    *(".txt", ".md", ".rst", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".html", ".htm", ".yaml", ".yml", ".toml"),
    *(".ini", ".cfg", ".log", ".py", ".ipynb", ".sh", ".bat", ".pdf", ".doc", ".docx", ".url", ".lnk", ".license"),
    *(".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth", ".mat", ".h5", ".hdf5", ".part", ".parquet", ".arrow", ".db"),
    *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".md5", ".sha1", ".sha256", ".sqlite", ".lock", ".tmp", ".bak"),
    *(".crdownload", ".partial", ".download", ".filepart", ".aria2"),  # of pictures that are not complete yet
)
COMPANION_NAMES = {"license", "readme", "copying", "makefile", "authors", "notice", "citation", "version", "checksums"}
RUN_PARTS = {"log.jsonl", "samples", "checkpoints"}  # one of them beside a config.json: a folder that we trained in
NO_PICTURE = "not a picture of a known format"
OWN_RUN = "a run of dcgan: what it drew is no data"
# Raw files of cameras are TIFFs whose first picture is a thumbnail, or none.
RAW = (".cr2", ".nef", ".nrw", ".dng", ".arw", ".srf", ".sr2", ".pef", ".srw", ".3fr", ".fff", ".iiq", ".kdc", ".erf")
NO_FILE = "a pipe, a socket or a device, no file"
FIRST_BYTES = 64  # that tell a picture from other files


def is_clutter(part: str) -> bool:
    """Whether a file or folder of this name is hidden or was left by a system or an editor: ._a.png, @eaDir, a.png~."""
    return part.startswith((".", "~$")) or part.endswith("~") or part.casefold() in CLUTTER


def is_companion(name: str) -> bool:
    """Whether a file's name says that it is no picture: readme.txt, LICENSE."""
    last = name.rsplit("/", 1)[-1].lower()
    return last.endswith(COMPANIONS) or last in COMPANION_NAMES


def is_picture(name: str) -> bool:
    """Whether a path ends as a picture file does."""
    return name.lower().endswith(SUFFIXES)


def is_run(names: Iterable[str]) -> bool:
    """Whether a folder of these entries is one that dcgan.train wrote."""
    names = set(names)
    return "config.json" in names and bool(names & RUN_PARTS)


def no_images(where: str, skipped: list[tuple[str, str]]) -> str:
    """The line for a folder or an archive without any picture."""
    out = f"; {len(skipped):,} left out, the first, {skipped[0][0]!r}: {skipped[0][1]}" if skipped else ""
    return f"no images found in {where}: looked for {LOOKED_FOR}{out}"


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
