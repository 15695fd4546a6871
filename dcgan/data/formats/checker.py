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

from dcgan.errors import UserError

PATIENCE = 120  # seconds for one file
PROGRAM = "from dcgan.data.formats.checked_files import main; main()"  # the helper's side
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
