"""Kill trainings at random moments, resume them, and compare with a run that nobody killed: python -m tests.fuzz.kills

A training is started, and ended at a random moment by kill -9, by SIGTERM, SIGHUP or SIGINT, or its output loses its
reader; then it is resumed, and so on until it has taken all its steps. Then every file of the run has to be bit for bit
the one of a run that was left alone, but for times and dates. Most trainings are forked from this process, which has
loaded all libraries already; every tenth is a process of its own, so that its start is hit too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import matplotlib.backends.backend_agg  # noqa: F401  (with the next two, all that a training loads later)
import matplotlib.figure  # noqa: F401

from dcgan import session, train  # noqa: F401
from gpunet import checkpoint
from tests.fuzz.pool import ROOT
from tests.fuzz.readers import pictures

TINY = ["--width", "2", "--image-size", "16", "--z-dim", "3", "--batch-size", "2", "--samples", "4", "--steps", "60"]
TINY += ["--checkpoint-every", "3", "--sample-every", "4", "--keep", "99", "--data", "../data", "--no-progress"]
TINY += ["--device", "cpu", "--implementation", "reference"]
WAYS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, "no reader")
LONGEST = 0.35, 2.5  # seconds from the start of a forked training, and of a process, to the latest kill
STOPPED = (130, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT)  # exit statuses
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads should not be forked
NEW = ("timing.jsonl", "run.json")  # hold times and dates


class Training:
    """A training in a folder, forked from this process or one of its own; its output goes into a pipe."""

    def __init__(self, folder: Path, words: list[str], forked: bool) -> None:
        self.output, write = os.pipe()
        self.process: subprocess.Popen | None = None
        if forked:
            self.pid = os.fork()
            if self.pid == 0:
                train_here(folder, words, write)
        else:
            environment = os.environ | ONE_CORE | {"PYTHONPATH": str(ROOT)}
            command = [sys.executable, "-m", "dcgan.train", *words]
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=write, stderr=write)
            self.pid = self.process.pid
        os.close(write)

    def end(self, way: signal.Signals | str, random: Random) -> tuple[int, str]:
        """End the training one way; return its exit status and what it said.

        Where the output just loses its reader, the training goes on: most often kill -9 ends it a little later.
        """
        if not isinstance(way, signal.Signals):
            os.close(self.output)
            if random.random() < 0.8:
                time.sleep(random.uniform(0, LONGEST[0]))
                self.send(signal.SIGKILL)
            return self.wait(), ""
        self.send(way)
        return self.left_alone()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; the training may have ended meanwhile."""
        if self.process is None or self.process.poll() is None:
            os.kill(self.pid, number)

    def left_alone(self) -> tuple[int, str]:
        """Let the training end by itself; return its exit status and what it said."""
        with os.fdopen(self.output, errors="replace") as output:
            said = output.read()
        return self.wait(), said

    def wait(self) -> int:
        """Return the exit status; the number of a signal is negative."""
        if self.process:
            return self.process.wait()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def train_here(folder: Path, words: list[str], write: int) -> None:
    """In a forked process: train, and end without returning."""
    status = 70
    try:
        os.chdir(folder)
        for descriptor in (1, 2):
            os.dup2(write, descriptor)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        status = train.main(words)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(status)


def content(run: Path) -> dict[str, object]:
    """Return every file of a run that is the same in every repetition; checkpoints as texts."""
    found: dict[str, object] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file() and path.name not in NEW):
        name = str(path.relative_to(run))
        found[name] = path.read_bytes() if path.suffix != ".h5" else repr(plain(checkpoint.load(path)))
    return found


def plain(value: object) -> object:
    """Return a tree of a checkpoint with arrays as type, shape and bytes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return (str(value.dtype), value.shape, value.tobytes()) if hasattr(value, "tobytes") else value  # type: ignore[attr-defined]


def difference(run: Path, straight: dict[str, object]) -> str:
    """Return what differs between a resumed run and the one left alone.

    A run that a signal stopped has a checkpoint of that step, too.
    """
    found = content(run)
    extra = {name for name in found if re.fullmatch(r"checkpoints/\d+\.h5", name)} - set(straight)
    names = sorted((set(found) - extra) ^ set(straight)) + [
        n for n in straight if n in found and found[n] != straight[n]
    ]
    return f"{', '.join(names)} differ" if names else ""


def one_run(random: Random, folder: Path, straight: dict[str, object], kills: Counter, most: int) -> str:
    """Kill and resume a run until it is finished, or was killed so often; return what is wrong."""
    folder.mkdir()
    run, status = folder / "runs/0001-dcgan64", -1
    while status != 0:
        words = ["--resume", "runs/0001-dcgan64", "--no-progress"] if (run / "config.json").exists() else TINY
        if words is TINY:
            shutil.rmtree(folder / "runs", ignore_errors=True)  # it was killed before it had a config to resume from
        training = Training(folder, words, forked := random.random() < 0.9)
        if sum(kills.values()) >= most:
            status, said = training.left_alone()
        else:
            time.sleep(random.uniform(0, LONGEST[not forked]))
            way = random.choice(WAYS)
            status, said = training.end(way, random)
            kills[getattr(way, "name", way)] += status != 0 or way == "no reader"
        if status not in (0, *STOPPED):
            return f"status {status}: {said}"
        if "Traceback" in said and "KeyboardInterrupt" not in said:
            return f"a traceback: {said}"
    return difference(run, straight)


def killed(seed: int, count: int, folder: Path) -> tuple[Counter, list[str]]:
    """Kill trainings `count` times in a new folder; return how often in which way, and what was wrong."""
    random, kills, faults = Random(seed), Counter[str](), list[str]()
    (folder / "data").mkdir(parents=True)
    for number in range(20):
        pictures.save_sound(folder / f"data/{number:02d}.png")
    (folder / "straight").mkdir()
    status, said = Training(folder / "straight", TINY, forked=False).left_alone()
    if status:
        return kills, [f"the run left alone ended with {status}: {said}"]
    expected, number = content(folder / "straight/runs/0001-dcgan64"), 0
    while sum(kills.values()) < count:
        number += 1
        fault = one_run(random, folder / f"run{number}", expected, kills, count)
        if fault:
            faults.append(f"run {number}, after {sum(kills.values())} kills of seed {seed}: {fault}")
        else:
            shutil.rmtree(folder / f"run{number}")
    return kills, faults


def main() -> int:
    """Run the command line; return 0 where every resumed run equals the one left alone, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kills", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments and the ways (1)")
    parser.add_argument("--count", type=int, default=1000, help="number of kills (1000)")
    given = parser.parse_args()
    if not os.environ.items() >= ONE_CORE.items():  # libraries look at it when they are loaded: start again with it
        os.execve(sys.executable, [sys.executable, "-m", "tests.fuzz.kills", *sys.argv[1:]], os.environ | ONE_CORE)
    folder, start = Path(tempfile.mkdtemp(prefix="kills-")), time.monotonic()
    kills, faults = killed(given.seed, given.count, folder)
    ways = ", ".join(f"{count:,} by {way}" for way, count in kills.most_common())
    print(f"{sum(kills.values()):,} kills ({ways}) in {time.monotonic() - start:.0f} s: {len(faults)} faults")
    for fault in faults:
        print(fault)
    if faults:
        print(f"what they left: {folder}")
    else:
        shutil.rmtree(folder)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
