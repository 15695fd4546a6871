"""Series: the numbers of log.jsonl or timing.jsonl by their names, as arrays, read on where the last look ended."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import numpy as np

from dcgan.errors import UserError
from dcgan.reporting.safe_files import require_inside
from dcgan.run.log import record_of

MOST_NAMES = 32  # different numbers; a log of ours has about ten
MOST_BYTES = 2**29  # of a file; 500,000 steps are about 75 MB
LONGEST_LINE = 2**16  # bytes
UNSHOWN = ("step", "epoch")  # that are no curve
Points = tuple[np.ndarray, np.ndarray]  # steps (N,), int64, which rise, and values (N,), float64


class Series:
    """What a file of JSON lines of a run says so far."""

    def __init__(self, folder: Path, path: Path) -> None:
        self.folder, self.path = folder, path
        self._restart()

    def _restart(self) -> None:
        self.columns: dict[str, tuple[array, array]] = {}
        self.offset, self.damaged, self.newest = 0, 0, 0
        self.others: set[str] = set()  # names beyond the first MOST_NAMES, as many of them again at most
        self.cut = False  # whether the file is longer than MOST_BYTES

    def read(self) -> None:
        """Read on to the end of the file, or of its last whole line. Raises UserError where there is no such file."""
        real = require_inside(self.folder, self.path)
        if os.stat(real).st_size < self.offset:  # a resumed run has cut it
            self._restart()
        try:
            with open(real, "rb") as file:
                file.seek(self.offset)
                while self._take(file.readline(LONGEST_LINE)):
                    pass
        except OSError as error:
            raise UserError(f"{self.path.name} cannot be read: {error.strerror or error}") from error

    def _take(self, line: bytes) -> bool:
        """Add the numbers of a line; return whether there may be more lines."""
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            return False  # the end, or a line that is just being written
        self.cut = self.offset + len(line) > MOST_BYTES
        if self.cut:
            return False
        self.offset += len(line)
        record = record_of(line) if line.endswith(b"\n") else None
        if record is None:
            self.damaged += 1
            return True
        step = self.newest = record["step"]
        for name, value in record.items():
            if name not in UNSHOWN and (name in self.columns or self._room(name)):
                steps, values = self.columns[name]
                steps.append(step)
                values.append(value)
        return True

    def _room(self, name: str) -> bool:
        """Begin a column of that name, unless there are enough; return whether there is one now."""
        if len(self.columns) < MOST_NAMES:
            self.columns[name] = array("q"), array("d")
            return True
        if len(self.others) < MOST_NAMES:
            self.others.add(name)
        return False

    def points(self) -> dict[str, Points]:
        """Return the steps and values of every number. Where steps go back, as behind a resume, the later ones count.

        >>> rising(np.array([1, 2, 3, 2, 3, 4]))
        array([ True, False, False,  True,  True,  True])
        """
        found = {}
        for name, (steps, values) in self.columns.items():
            at, numbers = np.array(steps, "int64"), np.array(values, "float64")
            kept = rising(at)
            found[name] = at[kept], numbers[kept]
        return found

    def notes(self) -> list[str]:
        """Return sentences about what the curves lack of the file."""
        name, found = self.path.name, []
        if self.damaged:
            found.append(f"{name}: {self.damaged:,} damaged lines are left out")
        if self.others:
            more = " or more" if len(self.others) == MOST_NAMES else ""
            found.append(f"{name}: {len(self.others)}{more} of its numbers are left out, {MOST_NAMES} are shown")
        if self.cut:
            found.append(f"{name}: only the first {MOST_BYTES / 2**20:,.0f} MiB are shown, up to step {self.newest:,}")
        return found


def rising(steps: np.ndarray) -> np.ndarray:
    """Return (N,) which steps are smaller than all behind them."""
    least = np.minimum.accumulate(steps[::-1])[::-1]  # (N,) the least from each place on
    return np.append(steps[:-1] < least[1:], True)[: len(steps)]
