"""Helper processes that decode pictures into a store before training asks for them; training goes first.

They are processes because Python runs one thread at a time: training would have to wait until a decoding thread of low
priority gets a turn and gives way. Each process lists the data for itself, so that every format works.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from dcgan.data.formats.recognise import list_images
from dcgan.data.limits import available_cores
from dcgan.data.recipe import Choice, Recipe, Wanted, label_table
from dcgan.data.storage.reading import read_one
from dcgan.data.storage.store import BROKEN, MISSING, SAVE_EVERY, Store

MOST = 16  # processes
# A helper gets a process group of its own, so that Ctrl-C reaches the training only. It does not get a session of its
# own: Linux first divides the processor between sessions ("autogroup"), and half of it would go to the helpers.
LOWEST = "import os; hasattr(os, 'nice') and (os.setpgid(0, 0), os.nice(19))"
PROGRAM = f"{LOWEST}; from dcgan.data.storage.decode_ahead import main; main()"
PATIENCE = 10  # seconds for a process to end


@dataclass(frozen=True)
class Job:
    """What a helper must know: what is wanted, the version of that listing, the file of the store, how many helpers."""

    wanted: Wanted
    version: str
    store: Path
    workers: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)  # of a Path

    @classmethod
    def from_json(cls, text: bytes) -> Job:
        """The job of a `to_json` text; a helper needs no labels, but a table of them also says which pictures."""
        raw = json.loads(text)
        path, choice, recipe = (raw["wanted"][name] for name in ("path", "choice", "recipe"))
        size, crop = tuple(recipe["image_size"]), recipe["crop"] and tuple(recipe["crop"])
        choice["labels"] = choice["labels"] if label_table(choice["labels"]) else "none"
        wanted = Wanted(path, Choice(**choice), Recipe(size, crop, recipe["channels"]))
        return cls(wanted, raw["version"], Path(raw["store"]), raw["workers"])


class Helpers:
    """The processes, or the thread, that work ahead for one source until they are done or stopped."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        self.threads: list[threading.Thread] = []
        self.stopping = threading.Event()

    def start(self, job: Job, order: np.ndarray) -> None:
        """Start one process per core that decodes the pictures in this order."""
        count = min(job.workers or available_cores(), MOST)
        root = str(Path(__file__).parents[3])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
        for number in range(count):
            with tempfile.TemporaryFile() as told:
                told.write(job.to_json().encode() + b"\n" + order.astype(np.int64).tobytes())
                told.seek(0)
                command = [sys.executable, "-c", PROGRAM, str(number), str(count), str(os.getpid())]
                self.processes.append(subprocess.Popen(command, stdin=told, env=environment))

    def run(self, work: Callable[[threading.Event], object]) -> None:
        """Start a thread that calls work(stopping); the work must look at the event `stopping` now and then."""
        self.threads.append(threading.Thread(target=work, args=(self.stopping,), name="reading ahead", daemon=True))
        self.threads[-1].start()

    def wait(self) -> None:
        """Wait until all of them have ended."""
        for process in self.processes:
            process.wait()
        for thread in self.threads:
            thread.join()

    def stop(self) -> None:
        """End all of them now; what they wrote stays."""
        self.stopping.set()
        for process in self.processes:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            for process in self.processes:
                process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)


def yield_to_others() -> None:
    """Lower the priority of this process as far as the system allows: Linux then runs it only on idle cores."""
    with suppress(OSError, AttributeError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def fill(job: Job, order: np.ndarray, number: int, count: int, needed: Callable[[], bool]) -> None:
    """Decode this helper's share of the order, then what the other helpers have left, while `needed()` is true.

    Helper `number` of `count` has every count-th picture: number 1 of 3 has places 1, 4, 7, ... of the order.
    """
    listing, recipe = list_images(job.wanted.path, job.wanted.choice), job.wanted.recipe
    if listing.version != job.version:  # the data has changed since training listed it; training will notice
        return
    store = Store(len(listing), recipe, job.store, checked=True)
    for done, index in enumerate(chain(order[number::count].tolist(), order.tolist())):
        if not needed():
            break
        if store.state[index] == MISSING:
            image = read_one(listing, index, recipe)
            if isinstance(image, str):
                store.state[index] = BROKEN
            else:
                store.put(index, image)
        if done % SAVE_EVERY == SAVE_EVERY - 1:
            store.save()
    store.save()


def main() -> None:
    """The program of a helper; standard input holds the job, one line of JSON, and the order, int64 numbers."""
    number, count, parent = map(int, sys.argv[1:])
    yield_to_others()
    warnings.simplefilter("ignore")
    job = Job.from_json(sys.stdin.buffer.readline())
    order = np.frombuffer(sys.stdin.buffer.read(), np.int64)
    fill(job, order, number, count, lambda: os.getppid() == parent)
