"""Guards: what a case may not do is seen, whoever does it.

    BOX/case      the working folder with the input; may be read and written
    BOX/home      the home folder, with the cache; may be read and written
    BOX/base      sound files that inputs refer to; may be read
    BOX/private   may not be touched: its files hold CANARY, and their time of access is old

Python tells a hook of every file that it opens, removes or renames and of every program that it starts. C libraries
tell nobody; where the system keeps times of access these show that a private file was read, and where it does not,
CANARY in a text, a picture or a file that the case made does.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CANARY = b"CANARY-of-a-private-file-16x2=32"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.chmod",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "os.chown",
)
STARTS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "pickle.find_class",
    "socket.connect",
    "os.startfile",
)
# Programs that the project starts: the process that opens HDF5 and LMDB files first, git, asked for the commit, and
# what Python's own search for libraries of the GPU starts.
OWN = ("dcgan.data.formats.checked_files", "'describe', '--always'", "/sbin/ldconfig")
OLD = 10**9  # seconds: a time of access before that of the last change


class Guards:
    """Watches the folder BOX from `begin` to `end`."""

    def __init__(self, box: Path) -> None:
        self.box, self.armed, self.seen = Path(os.path.realpath(box)), False, list[str]()
        self.case, self.private = self.box / "case", self.box / "private"
        for folder in ("home", "private"):
            (self.box / folder).mkdir(parents=True)
        (self.private / "secret.txt").write_bytes(CANARY * 2048)
        with h5py.File(self.private / "private.h5", "w") as file:
            file["images"] = np.frombuffer(CANARY * 12, np.uint8).reshape(2, 8, 8, 3)
        self.writable = tuple(f"{self.box / name}{os.sep}" for name in ("case", "home"))
        sys.addaudithook(self.hear)

    def begin(self) -> None:
        """Watch from now on."""
        for file in self.private.iterdir():
            os.utime(file, (OLD, file.stat().st_mtime))
        self.before, self.seen, self.armed = self.state(), [], True

    def end(self) -> list[str]:
        """Watch no longer; return what was seen, one text for each thing."""
        self.armed = False
        if self.state() != self.before:
            self.seen.append(f"files outside the folder were made, changed or read: {self.before} -> {self.state()}")
        made = [path for path in self.case.rglob("*") if path.is_file() and not path.is_symlink()]
        self.seen += [f"{path} holds a private text" for path in made if CANARY[:16] in path.read_bytes()]
        return self.seen

    def state(self) -> list[tuple]:
        """Return names, sizes and times of all that lies outside of the folder of the case."""
        top = [(entry.name,) for entry in os.scandir(self.box)]
        inside = [
            (e.name, e.stat().st_size, e.stat().st_mtime_ns, int(e.stat().st_atime)) for e in os.scandir(self.private)
        ]
        return sorted(top) + sorted(inside)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be told of an event of Python's interpreter."""
        if not self.armed:
            return
        if event == "open":
            path, _, flags = arguments
            self.look(event, path, bool(flags and flags & WRITES))
        elif event in CHANGES:
            for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
                self.look(event, path, True)
        elif event in STARTS and not any(own in str(arguments) for own in OWN):
            self.seen.append(f"{event} {str(arguments)[:200]}")
            raise RuntimeError(f"a case tried {event}")

    def look(self, event: str, path: Any, writes: bool) -> None:
        """Note the use of a file that is none of the case's."""
        if isinstance(path, int) or path in (os.devnull, b"/dev/null"):
            return
        place = os.path.realpath(os.path.abspath(os.fsdecode(path)))
        inside = (place + os.sep).startswith(self.writable)
        if (place + os.sep).startswith(f"{self.private}{os.sep}") or (writes and not inside):
            self.seen.append(f"{event} of {place}")
