"""The helper process: makes the input of a case, gives it to the project, and judges what comes of it.

It reads numbers of cases from standard input and answers each with a line of JSON, {"case": 7, "fault": "", ...}.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import io
import json
import os
import resource
import shutil
import sys
import time
import traceback
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from dcgan import cli
from dcgan.data import open_source
from dcgan.data.recipe import Recipe
from dcgan.data.storage.store import Store
from dcgan.doctor import FOUND
from gpunet.backend import choices
from tests.fuzz.guards import CANARY, Guards
from tests.fuzz.readers import READERS, hdf5, pictures, reader_of, runs
from tests.fuzz.task import Task

MEMORY, FILE, SLOW = 6 * 2**30, 2**28, 20.0  # bytes of address space, bytes of a file, seconds of one core for a case
# Failures that an input may ask for, with status 1: of memory, and of a training from weights that are too large.
FAILED = ("error: out of memory", "training stopped")
USUAL = dict(choices._chosen)  # what a command line chooses is taken back after each case


def main() -> None:
    """Serve cases: the arguments are the seed and an empty folder of one's own."""
    seed, box = int(sys.argv[1]), Path(sys.argv[2])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a C library prints is not an answer
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    importlib.import_module("matplotlib.font_manager")  # it looks for fonts once: not in a case
    guards = Guards(box)
    os.environ |= {"HOME": str(box / "home"), "XDG_CACHE_HOME": str(box / "home/cache"), "TMPDIR": str(box / "home")}
    os.chdir(box)
    with contextlib.redirect_stdout(io.StringIO()):
        runs.sound(guards.box / "base")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        answer = {"case": int(line), **one(seed, int(line), guards)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def random_of(seed: int, case: int) -> Random:
    """Return the random numbers of a case."""
    return Random(f"{seed} {case}")


def made(seed: int, case: int, place: Path) -> Task:
    """Write the input of a case into a new folder; return what is to be done with it."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.chdir(place)
    return READERS[reader_of(case)].make(random_of(seed, case), place)


def one(seed: int, case: int, guards: Guards) -> dict[str, Any]:
    """Make and do a case; return its command and what was wrong with the outcome, nothing for most."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of making odd inputs
        try:
            task = made(seed, case, guards.case)
        except Exception:  # noqa: BLE001  (a mistake of ours, which is to be mended)
            return {"command": [], "fault": f"the input could not be made: {traceback.format_exc(limit=-3)}"}
    start = time.process_time()
    guards.begin()
    try:
        fault = judged(task)
    finally:
        seen = guards.end()
        choices._chosen.clear()
        choices._chosen.update(USUAL)
    seconds = time.process_time() - start
    faults = [fault, *seen] if seconds < SLOW else [fault, *seen, f"took {seconds:.1f} s of a core"]
    command = [task.command, *task.arguments, str(task.options or "")]
    return {"command": command, "fault": "\n".join(filter(None, faults))}


def judged(task: Task) -> str:
    """Do a task; return what is wrong with what it said."""
    out, errors, status = io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.simplefilter("ignore", ResourceWarning)
            faults = list[str]()
            if task.command == "store":
                status = cli.guarded(lambda _: stored(task, faults))()
            elif task.command == "open":
                status = cli.guarded(lambda _: opened(task, faults))()
            else:
                status = importlib.import_module(f"dcgan.{task.command}").main(task.arguments)
    except SystemExit as error:  # --help and --version
        return "" if error.code in (0, None) else f"SystemExit {error.code}"
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is what the user would see)
        return "traceback: " + "".join(traceback.format_exception(error, limit=-6))
    return "\n".join(faults) or fault_of(status, out.getvalue(), errors.getvalue())


def fault_of(status: int, out: str, errors: str) -> str:
    """Return what is wrong with the output of a command: it ends with 0, or with 2 and one line that says why."""
    if CANARY[:16].decode() in out + errors:
        return f"a private text was shown: {out + errors}"
    if "Warning:" in errors or "Traceback" in errors:
        return f"a warning or a traceback was shown: {errors}"
    if status in (0, FOUND):
        return ""
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    if status != 2 and not (lines and any(failed in lines[0] for failed in FAILED)):
        return f"status {status}: {errors}"
    if len(lines) != 1 or not errors.rstrip("\n").endswith(lines[0]) or len(lines[0]) > len("error: ") + cli.LONGEST:
        return f"expected one line that begins with error: and says why, got {errors[:5000]!r}"
    return "" if lines[0].isprintable() else f"the line holds letters that are none: {lines[0]!r}"


def opened(task: Task, faults: list[str]) -> int:
    """Open data, read its first and last images and its labels; note what is wrong with them. Return an exit status."""
    with contextlib.closing(open_source(task.arguments[0], progress=False, workers=1, **task.options)) as source:
        count = len(source)
        rows = np.unique([*range(min(count, 20)), *range(max(0, count - 20), count)])
        faults += filter(None, [fault_of_source(task, source, source.batch(rows))])
    return 0


def stored(task: Task, faults: list[str]) -> int:
    """Open the rows of a growing source as the next run does; those that pass for sound have to be what was written."""
    store = Store(len(hdf5.IMAGES), Recipe((8, 8), None, 3), Path(task.arguments[0]))
    store.recover()
    sound = [row for row in np.flatnonzero(store.there()).tolist() if store.is_sound(row)]
    if (store.images[sound] != hdf5.IMAGES[sound]).any():
        faults.append("a damaged row passed for sound")
    return 0


def fault_of_source(task: Task, source: Any, images: np.ndarray) -> str:
    """Return what is wrong with a source and its images: shapes, labels, texts, private pixels, the sound picture."""
    said = [source.description, *map(" ".join, source.skipped), *(source.classes or [])]
    if images.dtype != np.uint8 or images.shape[1:] != source.shape[1:] or images.shape[3] not in (1, 3):
        return f"images are {images.dtype} {images.shape} of {source.shape}"
    if source.labels is not None and not (
        source.labels.shape == (len(source),) and 0 <= source.labels.min() <= source.labels.max() < len(source.classes)
    ):
        return f"labels {source.labels} of {len(source)} images and classes {source.classes}"
    if CANARY[:16] in images.tobytes() or CANARY[:16].decode() in " ".join(said):
        return "private content was read"
    if wrong := [text for text in said if not text.isprintable()]:
        return f"texts with letters that are none: {wrong}"
    if task.sound and (images[-1] != pictures.PIXELS).any():
        return f"the sound picture came out otherwise, beside {source.skipped}"
    return ""


if __name__ == "__main__":
    main()
