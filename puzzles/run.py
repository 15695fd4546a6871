"""Run the reader's code in a process of its own, with a limit of time, and say in one line how it ended otherwise."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LIMIT = 10.0  # seconds for the reader's code
STARTING = 120.0  # seconds more for what is ours: Python's start, and the compiler
TIMEOUT = "Timeout ("  # begins the note that faulthandler writes at the limit


class Report(NamedTuple):
    """The judgement: is the puzzle solved, and what is to be said."""

    solved: bool
    lines: list[str]


def check(name: str, path: Path, limit: float = LIMIT) -> Report:
    """Return the judgement of a reader's file. What its code prints goes where ours does."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", "-m", "puzzles.child", name, str(path), folder, str(limit)]
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        more = {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        sys.stdout.flush()
        try:
            status = subprocess.run(command, env=os.environ | more, timeout=limit + STARTING).returncode
        except subprocess.TimeoutExpired:
            return Report(False, [f"{path.name} did not end within {limit + STARTING:g} s"])
        try:
            return Report(**json.loads(Path(folder, "report.json").read_text("utf-8")))
        except (OSError, ValueError):
            return Report(False, [_end(path, status, _text(Path(folder, "trace.txt")), _text(Path(folder, "at.txt")))])


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace") if path.is_file() else ""


def _end(path: Path, status: int, trace: str, at: str) -> str:
    """Return the line for a process that ended without a report: at the limit, or by a signal."""
    found = re.search(rf'File "[^"]*{re.escape(path.name)}", line (\d+)', trace)
    line = f"; it was in line {found[1]}" if found else ""
    during = f" ({at})" if at else ""
    if trace.startswith(TIMEOUT):
        words = trace.removeprefix(TIMEOUT).partition(")")[0]
        return f"{path.name} did not end within {_seconds(words)} s{line}: is there an endless loop?{during}"
    if status < 0:
        return f"{path.name} crashed: {signal.strsignal(-status) or status}{line}{during}"
    return f"{path.name} ended the process with status {status}{line}{during}"


def _seconds(words: str) -> str:
    """Return the seconds of faulthandler's "0:01:10.500000"."""
    hours, minutes, seconds = words.split(":")
    return f"{3600 * int(hours) + 60 * int(minutes) + float(seconds):g}"
