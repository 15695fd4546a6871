"""Processes that decode pictures into a store ahead of the training, which they leave the processor to.

Processes rather than threads: Python runs one thread at a time, and one that decodes at a low priority would keep the
training waiting for its turn. Each lists the data anew, so that any format will do.
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
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from dcgan.data.formats.recognise import list_images
from dcgan.data.formats.selection import Choice
from dcgan.data.recipe import Recipe
from dcgan.data.storage.reading import read_one
from dcgan.data.storage.store import BROKEN, MISSING, SAVE_EVERY, Store

MOST = 16  # processes
# In a process group of its own: Ctrl-C is for the training. Not in a session of its own: Linux shares the processor out
# between sessions first ("autogroup"), so that there the lowest priority would still get half of it.
LOWEST = "import os; hasattr(os, 'nice') and (os.setpgid(0, 0), os.nice(19))"
PROGRAM = f"{LOWEST}; from dcgan.data.storage.decode_ahead import main; main()"
PATIENCE = 10  # seconds for a process to end


@dataclass(frozen=True)
class Job:
    """What a process must know: the data, which of it is wanted, its version, what is made of it and where it goes."""

    path: str
    choice: Choice
    version: str
    recipe: Recipe
    store: str
    workers: int | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: bytes) -> Job:
        raw = json.loads(text)
        crop, size = raw["recipe"]["crop"], raw["recipe"]["image_size"]
        recipe = Recipe(tuple(size), tuple(crop) if crop else None, raw["recipe"]["channels"])
        return cls(**raw | {"choice": replace(Choice(**raw["choice"]), labels="none"), "recipe": recipe})


class Helpers:
    """The processes and threads that work ahead for one source, until they are done or stopped."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        self.threads: list[threading.Thread] = []
        self.stopping = threading.Event()

    def start(self, job: Job, order: np.ndarray) -> None:
        """Decode the pictures of this order in processes of their own, one per core."""
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
        """Have a thread do something that looks at the event now and then."""
        self.threads.append(threading.Thread(target=work, args=(self.stopping,), name="reading ahead", daemon=True))
        self.threads[-1].start()

    def wait(self) -> None:
        """Wait until all is done."""
        for process in self.processes:
            process.wait()
        for thread in self.threads:
            thread.join()

    def stop(self) -> None:
        """End them now; what they wrote stays."""
        self.stopping.set()
        for process in self.processes:
            process.terminate()
        with suppress(subprocess.TimeoutExpired):
            for process in self.processes:
                process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)


def available_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def yield_to_others() -> None:
    """Run only where a core has nothing else to do, as far as the system knows such a thing."""
    with suppress(OSError, AttributeError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def fill(job: Job, order: np.ndarray, number: int, count: int, wanted: Callable[[], bool]) -> None:
    """Decode every count-th picture of the order, from the number-th on, then what the others have left."""
    listing = list_images(job.path, job.choice)
    if listing.version != job.version:  # changed since: the training will meet it
        return
    store = Store(len(listing), job.recipe, Path(job.store))
    for done, index in enumerate(chain(order[number::count].tolist(), order.tolist())):
        if not wanted():
            break
        if store.state[index] == MISSING:
            image = read_one(listing, index, job.recipe)
            if isinstance(image, str):
                store.state[index] = BROKEN
            else:
                store.put(index, image)
        if done % SAVE_EVERY == SAVE_EVERY - 1:
            store.save()
    store.save()


def main() -> None:
    """The process: a job and an order come on standard input."""
    number, count, parent = map(int, sys.argv[1:])
    yield_to_others()
    warnings.simplefilter("ignore")
    job = Job.from_json(sys.stdin.buffer.readline())
    order = np.frombuffer(sys.stdin.buffer.read(), np.int64)
    fill(job, order, number, count, lambda: os.getppid() == parent)
