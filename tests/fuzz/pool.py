"""Pool: helper processes that do cases, and what is to be said of those that die or hang."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 90  # seconds for one case, on a machine that does other things too
RENEWED = 3000  # cases after which a helper is replaced, so that what one leaves behind cannot add up


@dataclass
class Fault:
    """A case that went wrong: its number, its command, and what was seen."""

    case: int
    text: str
    command: list[str] = field(default_factory=list)


class Helper:
    """A helper process with a folder of its own."""

    def __init__(self, seed: int) -> None:
        self.seed, self.box = seed, Path(tempfile.mkdtemp(prefix="fuzz-"))
        self.start()

    def start(self) -> None:
        """Start the process in an empty folder, and wait until it is ready."""
        shutil.rmtree(self.box, ignore_errors=True)
        self.box.mkdir()
        self.log, self.done = tempfile.TemporaryFile(), 0  # noqa: SIM115  (`stop` closes it)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "-1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(self.seed), str(self.box)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, cwd=ROOT, env=environment,
        )  # fmt: skip
        if self.answer(PATIENCE) != b"ready\n":
            said = self.said()
            self.stop()
            raise RuntimeError(f"the helper does not start: {said}")

    def answer(self, seconds: float) -> bytes:
        """Return the next line of the helper, nothing where it dies or says nothing for so many seconds."""
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline() if ready else b""

    def said(self) -> str:
        """Return the end of what the helper wrote to standard error, where it writes its stack as it dies."""
        self.log.seek(0)
        return self.log.read()[-3000:].decode(errors="replace")

    def do(self, case: int) -> Fault | None:
        """Have a case done; return what was wrong with it."""
        if self.done >= RENEWED or self.process.poll() is not None:
            self.stop()
            self.start()
        self.done += 1
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has just died, which is seen next
            self.process.stdin.write(b"%d\n" % case)
            self.process.stdin.flush()
        line = self.answer(PATIENCE)
        if line:
            found = json.loads(line)
            return Fault(case, found["fault"], found["command"]) if found["fault"] else None
        hangs = self.process.poll() is None
        if hangs:
            self.process.send_signal(signal.SIGABRT)  # it writes where it hangs
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(min(5, PATIENCE))
            self.process.kill()
        status = self.process.wait()
        return Fault(case, f"{f'no end after {PATIENCE} s' if hangs else f'death by {status}'}: {self.said()}")

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def close(self) -> None:
        """End the helper and remove its folder."""
        self.stop()
        shutil.rmtree(self.box, ignore_errors=True)


def again_alone(seed: int, fault: Fault) -> Fault:
    """Do a case once more in a new helper; say so where nothing goes wrong then."""
    helper = Helper(seed)
    try:
        found = helper.do(fault.case)
    finally:
        helper.close()
    return found or Fault(fault.case, f"only behind other cases: {fault.text}", fault.command)


def done(seed: int, cases: Iterable[int], jobs: int, each: Callable[[int, Fault | None], None]) -> None:
    """Do cases in several helpers; `each` is called with the number and the fault, if any, of every one."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    answers: queue.SimpleQueue[tuple[int, Fault | None] | BaseException | None] = queue.SimpleQueue()
    for _ in range(jobs):
        threading.Thread(target=work, args=(seed, waiting, answers), daemon=True).start()
    while jobs:
        answer = answers.get()
        if isinstance(answer, BaseException):
            raise answer
        if answer is None:
            jobs -= 1
        else:
            each(*answer)


def work(seed: int, waiting: queue.SimpleQueue, answers: queue.SimpleQueue) -> None:
    """What a thread does: take cases while there are any; put each answer, None at the end, or an error of ours."""
    try:
        helper = Helper(seed)
        try:
            while True:
                case = waiting.get_nowait()
                fault = helper.do(case)
                answers.put((case, again_alone(seed, fault) if fault else None))
        finally:
            helper.close()
    except queue.Empty:
        answers.put(None)
    except BaseException as error:  # noqa: BLE001  (the main thread raises it)
        answers.put(error)
