"""Files that could crash the libraries HDF5 and LMDB are opened by a helper process first.

Both libraries are written in C and trust their files: a wrong number in one may end the process that reads it. The
helper does what the reader will do, and reads next to no pixels. If the helper dies, the file is refused with one line.
One helper serves all files; it ends with the process that started it, or when it was not asked for a while.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from dcgan.errors import UserError

PATIENCE = 120  # seconds for one file
IDLE = 20  # seconds that the helper waits for the next one
PROGRAM = "from dcgan.data.formats.checker import main; main()"
MOST_VALUES = 100_000  # of an LMDB, looked at one by one
_lock = threading.Lock()
_helper: list[subprocess.Popen] = []  # none or one


def check(kind: str, path: Path, name: str = "") -> None:
    """Have the helper open a file ("hdf5" or "lmdb"), and look at its data set `name`. UserError where it dies."""
    question = json.dumps([kind, os.fsdecode(os.path.abspath(path)), name])
    with _lock:
        answered = ask(question) or (went_home() and ask(question))
        if not answered:
            stop()
            raise UserError(f"{path} is damaged: it makes the library that reads it crash or hang; make it again")


def ask(question: str) -> bool:
    """Put a question to the helper; return whether it lived to answer it."""
    helper = running()
    timer = threading.Timer(PATIENCE, helper.kill)
    timer.daemon = True
    timer.start()
    try:
        assert helper.stdin is not None and helper.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            helper.stdin.write(question.encode() + b"\n")
            helper.stdin.flush()
        return helper.stdout.readline() == b"done\n"
    except BaseException:  # Ctrl-C: the answer would be taken for that of the next question
        stop()
        raise
    finally:
        timer.cancel()


def went_home() -> bool:
    """Whether the helper ended because nobody had asked it for a while, just before it was asked."""
    return bool(_helper) and hasattr(signal, "SIGALRM") and _helper[0].wait() == -signal.SIGALRM


def running() -> subprocess.Popen:
    """The helper, started if there is none."""
    if not _helper or _helper[0].poll() is not None:
        stop()
        root = str(Path(__file__).parents[3])
        paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        _helper[:] = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
                start_new_session=True,  # Ctrl-C is for the training
            )
        ]  # fmt: skip
    return _helper[0]


@atexit.register
def stop() -> None:
    """End the helper if there is one."""
    for helper in _helper:
        helper.kill()
        helper.wait()
        for pipe in (helper.stdin, helper.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
    _helper.clear()


def forget() -> None:
    """In a forked process: the helper, and whoever asks it now, belong to the parent."""
    global _lock
    _helper.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)


def main() -> None:
    """The program of the helper: questions on standard input, a line "done" for each on standard output."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    looks: dict[str, Any] = {"hdf5": look_at_hdf5, "lmdb": look_at_lmdb}
    rest = getattr(signal, "alarm", lambda _: None)  # ends this process after so many seconds; 0: does not
    rest(IDLE)
    for line in sys.stdin.buffer:
        rest(0)
        kind, path, name = json.loads(line)
        with contextlib.suppress(Exception):  # the reader will meet the same and say it
            looks[kind](path, name)
        sys.stdout.buffer.write(b"done\n")
        sys.stdout.buffer.flush()
        rest(IDLE)


def look_at_hdf5(path: str, name: str) -> None:
    """Open the file, walk through the structure of its data set and where its chunks lie; read the first and last row.

    What lies beside it and is read too, such as labels, texts and attributes, is read.
    """
    from dcgan.data.formats import hdf5

    with hdf5.open_file(Path(path)) as file:
        group = name.rstrip("/").rpartition("/")[0]
        reads: list[tuple[Any, str]] = [(hdf5.text_attribute, attribute) for attribute in hdf5.ATTRIBUTES]
        reads += [(hdf5.texts, texts) for texts in ("skipped", "classes") if name == "images"]
        reads += [(read_all, f"{group}/{beside}") for beside in (*hdf5.LABELS, "sums")]
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
    from dcgan.data.formats import hdf5

    data = hdf5.dataset(file, name)
    if data is not None:
        data[:]


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
