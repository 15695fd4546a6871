"""Commands that begin with mpirun run as they are pasted, made short by DCGAN_QUICK; so does the script of a page.

Those for several GPUs, and what srun starts, run on two ranks without `--device cuda`.
"""

from __future__ import annotations

import re

import pytest

import pages
from dcgan import quick
from mpirun import mpirun, needs_mpi
from pages import PAGES, ROOT, Command, blocks, commands, fences

QUICK = {quick.VARIABLE: "1"}


def launched(page):
    """Return the commands of a page's blocks that start ranks."""
    return [each for each in commands(page) if each.whole and each.text.startswith(("mpirun ", "srun "))]


WITH_RANKS = [page for page in PAGES if launched(page)]


def ranks_and_arguments(command: Command) -> tuple[int, list[str]]:
    """Return on how many ranks a command is tried here, and what each of them runs."""
    words = ["mpirun", "-n", "2", *command.words[1:]] if command.text.startswith("srun ") else command.words
    _, n, ranks, python, *arguments = words
    assert (n, python) == ("-n", "python"), command.text
    if arguments[-2:] == ["--device", "cuda"]:
        return 2, arguments[:-2]
    return int(ranks), arguments


@needs_mpi
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_RANKS, ids=lambda page: page.name)
def test_commands_of_several_ranks_run_as_pasted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = ""
    for command in launched(page):
        ranks, arguments = ranks_and_arguments(command)
        pages.provide(arguments)
        done = mpirun(ranks, *arguments, timeout=120, **QUICK)
        assert done.returncode == 0, f"{command.text}\n{done.stdout[-600:]}{done.stderr[-600:]}"
        printed += done.stdout
    if page.name == "ranks.md":
        shown = [each.text for each in fences(page.read_text(encoding="utf-8")) if each.mark == "text"]
        lines = {without_numbers(line) for line in printed.splitlines()}
        assert shown and all(without_numbers(line) in lines for text in shown for line in text.splitlines()), printed


def without_numbers(line: str) -> str:
    """Return a line without its numbers: processes have others each time, and a quick run has fewer pictures."""
    return re.sub(r"\d+", "N", line)


@needs_mpi
def test_the_script_of_the_python_page_trains_one_run_on_two_ranks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = [block for block in blocks(ROOT / "docs/python.md") if "launch.on_all_ranks" in block]
    (tmp_path / "script.py").write_text("import dcgan\n" + script.replace("steps=20", "steps=2"))
    done = mpirun(2, "script.py")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["0001-dcgan64"]
    assert done.stdout.count("Run(0001-dcgan64, step 2, dcgan64)") == 1
