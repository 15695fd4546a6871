"""The helper process that first opens files which C libraries read, and does what their reader will do (checker.py)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dcgan.data.formats import hdf5
from dcgan.data.limits import default_memory_limit

IDLE = 20  # seconds that the helper waits for the next file
BUSY = 20  # seconds of a core for one file: a damaged one may send HDF5 round in a circle
MOST_VALUES = 100_000  # of an LMDB, looked at one by one


def main() -> None:
    """The program of the helper: questions on standard input, a line "done" for each on standard output."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    looks: dict[str, Any] = {"hdf5": look_at_hdf5, "lmdb": look_at_lmdb, "store": look_at_store}
    looks["columns"] = look_at_columns
    rest = getattr(signal, "alarm", lambda _: None)  # ends this process after so many seconds; 0: does not
    rest(IDLE)
    for line in sys.stdin.buffer:
        rest(0)
        kind, path, name = json.loads(line)
        allow(BUSY)
        with contextlib.suppress(Exception):  # the reader will meet the same and say it
            looks[kind](path, name)
        allow(0)
        sys.stdout.buffer.write(b"done\n")
        sys.stdout.buffer.flush()
        rest(IDLE)


def allow(seconds: float) -> None:
    """End this process once it has computed for so many seconds more, waiting left out; 0: whatever it computes."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, seconds)


def look_at_store(path: str, _: str) -> None:
    """Read what a growing source reads of the structure of its file."""
    from dcgan.data.storage.store import structure  # not above: it is needed for large folders alone

    structure(Path(path))


def look_at_hdf5(path: str, name: str) -> None:
    """Open the file, walk through the structure of its data set and where its chunks lie; read the first and last row.

    What lies beside it and is read too, such as labels, texts and attributes, is read.
    """
    with hdf5.open_file(Path(path)) as file:
        group = name.rstrip("/").rpartition("/")[0]
        reads: list[tuple[Any, str]] = [(hdf5.text_attribute, attribute) for attribute in hdf5.ATTRIBUTES]
        reads += [(hdf5.texts, texts) for texts in ("skipped", "classes") if name == "images"]
        reads += [(hdf5.label_values, f"{group}/{labels}") for labels in hdf5.LABELS]
        reads += [(read_all, f"{group}/{beside}") for beside in ("sums", "done")]
        for read, what in reads:
            with contextlib.suppress(Exception):
                read(file, what)
        images = hdf5.dataset(file, name)
        if images is None:
            hdf5.contents(file)
            return
        if images.chunks and hasattr(images.id, "chunk_iter"):
            images.id.chunk_iter(lambda _: None)
        for row in (0, len(images) - 1):
            images[row]


def read_all(file: Any, name: str) -> None:
    """Read a whole data set of an HDF5 file, if it is there."""
    data = hdf5.dataset(file, name)
    if data is not None:
        data[:]


def look_at_columns(path: str, name: str) -> None:
    """Read the pictures of a .parquet or .arrow file as the reader does, or the column `name`, with bounded memory.

    The pictures are small and what packs them may unpack to any size; so this process ends where they need more memory
    than may be taken.
    """
    import pyarrow

    from dcgan.data.formats import arrow_files, columns

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # others set aside more than they use
    with limited_memory():
        try:
            opened = arrow_files.opened(Path(path))
            columns.require_rows(opened)
            wanted, rows = (name, 2**14) if name else (columns.picture_column(opened), arrow_files.AT_ONCE)
            for group in range(len(opened.ends)):
                for piece in opened.pieces(group, wanted, rows):
                    piece.validate(full=True)
        except MemoryError:  # pyarrow's own errors of memory are MemoryErrors, too
            os._exit(1)


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Within the block this process may take as much memory as data may, beside what it has; Linux alone tells that."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + default_memory_limit()
        before = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    except (ImportError, OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def look_at_lmdb(path: str, _: str) -> None:
    """Walk through all keys, and through the values of a file that has not too many."""
    import lmdb

    with lmdb.open(path, readonly=True, lock=False, readahead=False) as file, file.begin(buffers=True) as transaction:
        count = transaction.stat()["entries"]
        with transaction.cursor() as cursor:
            if count > MOST_VALUES:
                for _key in cursor.iternext(keys=True, values=False):
                    pass
                return
            for _key, value in cursor.iternext(keys=True, values=True):
                if len(value):
                    bytes(value[:1]), bytes(value[-1:])
        for key in list(transaction.cursor().iternext(keys=True, values=False)):
            transaction.get(bytes(key))
