"""RunDir: the numbered folder of a run, the files in it, and its checkpoints from newest to oldest.

    runs/0003-dcgan64/  config.json  run.json  log.jsonl  timing.jsonl  skipped.txt  loss.png  report.html
                        abandoned-1.jsonl (the log before a rollback)
                        samples/real.png  samples/000200.png  samples/000200-real.png  checkpoints/000200.h5
                        checkpoints/best.h5
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dcgan.errors import UserError
from dcgan.run import log
from gpunet import checkpoint
from gpunet.checkpoint import CheckpointError
from gpunet.files import write_atomically


class RunDir:
    """The paths of one run, and its checkpoints."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.config, self.log = self.path / "config.json", self.path / "log.jsonl"
        self.record = self.path / "run.json"
        self.skipped, self.plot = self.path / "skipped.txt", self.path / "loss.png"
        self.report = self.path / "report.html"
        self.samples, self.checkpoints = self.path / "samples", self.path / "checkpoints"
        self.best = self.checkpoints / "best.h5"  # of the smallest Frechet distance (--measure-every)

    @classmethod
    def create(cls, out: str | os.PathLike, name: str) -> RunDir:
        """Make out/NNNN-name with the next free number. Two runs started at once get two numbers."""
        out = Path(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            run = cls(_claim(out, name))
            run.complete()
        except OSError as error:
            raise UserError(f"--out: cannot make a run folder in {out}: {error.strerror}") from error
        return run

    def complete(self) -> None:
        """Make the folders that are missing: a copy of a run may lack those that somebody deleted."""
        for folder in (self.samples, self.checkpoints):
            folder.mkdir(exist_ok=True)

    def sample(self, step: int) -> Path:
        """Return the path of the sample grid of a step."""
        return self.samples / f"{step:06d}.png"

    def real_sample(self, step: int) -> Path:
        """Return the path of the grid of a step's real pictures."""
        return self.samples / f"{step:06d}-real.png"

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint of a step."""
        return self.checkpoints / f"{step:06d}.h5"

    def saved(self) -> list[Path]:
        """Return the checkpoint files, newest first."""
        files = [path for path in self.checkpoints.glob("*.h5") if path.stem.isdecimal()]
        return sorted(files, key=lambda path: int(path.stem), reverse=True)

    def newest(self, say: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
        """Return the newest complete checkpoint and its tree, or None. Calls `say` with a line for each damaged one."""
        for path in self.saved():
            try:
                return path, checkpoint.load(path)
            except CheckpointError as error:
                say(f"{error}; going back to the one before")
        return None

    def prune(self, keep: int, step: int) -> None:
        """Remove all but the newest checkpoints up to a step. Later ones were found damaged and will be replaced."""
        for path in [path for path in self.saved() if int(path.stem) <= step][keep:]:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training here during the block. UserError: one does. A kill unlocks the folder."""
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UserError(f"{self.path} is in use: another process is training there") from None
        finally:
            os.close(descriptor)

    def list_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Write the files that could not be read to skipped.txt, one a line with the reason, if there are any."""
        if skipped:
            text = "".join(f"{name}\t{reason}\n" for name, reason in skipped)
            write_atomically(self.skipped, text.encode(errors="surrogateescape"))

    def sweep(self) -> None:
        """Remove files that a killed run left half written."""
        for path in self.path.rglob(".*.tmp"):
            path.unlink(missing_ok=True)

    def cut_log(self, step: int, source: Path | None = None) -> int:
        """Cut log.jsonl after a step; source: the log of another run, whose lines up to that step are taken instead.

        Return how many of these steps the log lacks. Lines that are damaged, or of a step that came already, go.
        """
        source = source or self.log
        kept, newest = [], 0
        for line in source.read_bytes().splitlines(keepends=True) if source.exists() else []:
            record = log.record_of(line) if line.endswith(b"\n") else None  # the last line may be half written
            if record and newest < record["step"] <= step:
                kept.append(line)
                newest = record["step"]
        write_atomically(self.log, b"".join(kept))
        return step - len(kept)


def _claim(out: Path, name: str) -> Path:
    """Make the folder of the next number. If another process made one of the same number, remove ours and try again."""
    while True:
        number = 1 + max(_numbers(out), default=0)
        path = out / f"{number:04d}-{name}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        if _numbers(out).count(number) == 1:
            return path
        path.rmdir()
        time.sleep(random.uniform(0, 0.02))


def _numbers(out: Path) -> list[int]:
    found = [re.match(r"(\d+)-", entry.name) for entry in out.iterdir()]
    return [int(match[1]) for match in found if match]
