"""docs/puzzles.md: its session is what the commands print, and its table has every puzzle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gpunet import kernels
from pages import ROOT
from puzzles.__main__ import main
from puzzles.table import PUZZLES

PAGE = (ROOT / "docs/puzzles.md").read_text(encoding="utf-8")
FILE = {"python": "linear.py", "cuda": "banks.cu"}


def steps():
    """Yield (language, text) of each fenced block, and the change to linear.py that a sentence between them makes."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```|^With `(dbias = .*?)` it is solved:", PAGE, re.M | re.S):
        yield (found[1], found[2]) if found[1] else ("change", found[3])


@pytest.mark.skipif(not kernels.compiler_available(), reason="needs a C++ compiler")
def test_the_session_is_what_the_commands_print(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    folder, sessions = Path("my-puzzles"), 0
    folder.mkdir()
    for kind, text in steps():
        if kind == "change":
            linear = (folder / "linear.py").read_text()
            (folder / "linear.py").write_text(linear.replace("dbias = dy\n", f"{text}\n"))
        elif kind in FILE:
            (folder / FILE[kind]).write_text(text)
        else:
            command, *shown = text.splitlines()
            main(command.removeprefix("$ python -m puzzles ").split())
            printed = capfd.readouterr().out.splitlines()
            sessions += 1
            assert [line for line in printed if "registers" not in line] == [
                line for line in shown if "registers" not in line
            ]
    assert sessions == 3


def test_the_table_has_every_puzzle_with_its_lessons():
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([\d, ]+) \|$", PAGE, re.M)
    assert rows == [(puzzle.name, ", ".join(map(str, puzzle.lessons))) for puzzle in PUZZLES]
