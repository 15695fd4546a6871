"""The process in which the reader's code runs: python -m puzzles.child NAME FILE FOLDER LIMIT (run.py starts it).

It leaves in FOLDER report.json, the judgement; at.txt, what was just being tried; and trace.txt, which Python writes
where the code crashes or does not end.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib.util
import json
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TextIO, cast

import numpy as np

from puzzles import arrays, kernels
from puzzles.answer import Stopped, Trying
from puzzles.table import Puzzle, named

MEMORY = 8 << 30  # bytes of addresses that this process may take


def main(arguments: Sequence[str]) -> int:
    """Judge a file and write the report."""
    name, file, folder, limit = arguments
    _limit_memory()
    with open(Path(folder, "trace.txt"), "w") as trace:
        faulthandler.enable(trace)

        @contextlib.contextmanager
        def trying(at: str) -> Iterator[None]:
            """Note what is tried, and give the reader's code its time for it."""
            Path(folder, "at.txt").write_text(at, "utf-8")
            faulthandler.dump_traceback_later(float(limit), exit=True, file=trace)
            try:
                with contextlib.redirect_stdout(cast(TextIO, Headed(sys.stdout, at))):
                    yield
            finally:
                faulthandler.cancel_dump_traceback_later()

        solved, lines = _judged(named(name), Path(file), trying)
        Path(folder, "report.json").write_text(json.dumps({"solved": solved, "lines": lines}), "utf-8")
    return 0


def _judged(puzzle: Puzzle, path: Path, trying: Trying) -> tuple[bool, list[str]]:
    try:
        if puzzle.kind == "cuda":
            return kernels.judge(puzzle.page(), path, trying)
        return arrays.judge(puzzle.page(), Code(path, trying), trying)
    except Stopped as stopped:
        return False, [str(stopped)]


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


class Headed:
    """Standard output that names the case in front of the first thing that is printed in it."""

    def __init__(self, out: TextIO, head: str) -> None:
        self._out, self._head = out, head

    def write(self, text: str) -> int:
        if self._head and text:
            self._out.write(f"printed for {self._head}:\n")
            self._head = ""
        return self._out.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._out, name)


class Code:
    """The reader's Python file; calls of its functions whose errors become Stopped, with the reader's line."""

    def __init__(self, path: Path, trying: Trying) -> None:
        self.path = path
        with trying(""):
            self._module = self.call(self._load)

    def function(self, name: str) -> Callable:
        """Return a function of the file. Raises Stopped where it has none of that name."""
        found = getattr(self._module, name, None)
        if not callable(found):
            raise Stopped(f"{self.path.name} has no function {name}: the checker calls it, so keep its name")
        return lambda *args: self.call(found, *args)

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"reader_{self.path.stem}", self.path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def call(self, function: Callable, *args: object) -> object:
        """Call a function. Raises Stopped for whatever it raises."""
        try:
            return function(*args)
        except KeyboardInterrupt:
            raise
        except SyntaxError as error:
            line = f", line {error.lineno}" if error.lineno else ""  # none for a file with a zero byte
            raise Stopped(f"{self.path.name}{line}: {error.msg}{_quoted(error.text)}") from None
        except BaseException as error:  # exit() in the reader's code, too
            raise Stopped(self._words(error)) from None

    def _words(self, error: BaseException) -> str:
        """Return "linear.py, line 12: ValueError: ...", with the text of the line."""
        own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == self.path.name]
        said = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        if not own:
            return f"{self.path.name}: {said}"
        line = own[-1].lineno or 0
        text = linecache.getline(str(self.path), line)
        shapes = self._shapes(error, text) if isinstance(error, ValueError) else ""
        return f"{self.path.name}, line {line}: {said}{_quoted(text)}{shapes}"

    def _shapes(self, error: BaseException, text: str) -> str:
        """Return a line with the shapes of the arrays that the reader's line names, as they are there."""
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        values = [f.f_locals for f in frames if Path(f.f_code.co_filename).name == self.path.name][-1]
        names = dict.fromkeys(re.findall(r"[A-Za-z_]\w*", text))
        shapes = [f"{name} {values[name].shape}" for name in names if isinstance(values.get(name), np.ndarray)]
        return f"\n    in this line: {', '.join(shapes)}" if shapes else ""


def _quoted(line: str | None) -> str:
    return f"\n    {line.strip()}" if line and line.strip() else ""


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:  # Ctrl-C: the command that started this process says so
        sys.exit(130)
