"""Commands that begin with mpirun run as they are pasted, made short by DCGAN_QUICK; so does the script of a page."""

from __future__ import annotations

import re

import pytest

import pages
from dcgan import quick
from mpirun import mpirun, needs_mpi
from pages import PAGES, ROOT, blocks, commands

WITH_RANKS = [page for page in PAGES if re.search(r"^    mpirun ", page.read_text(encoding="utf-8"), re.M)]
QUICK = {quick.VARIABLE: "1"}


@needs_mpi
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_RANKS, ids=lambda page: page.name)
def test_commands_of_several_ranks_run_as_pasted(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in [each for each in commands(page) if each.whole and each.text.startswith("mpirun ")]:
        _, n, ranks, python, *arguments = command.words
        assert (n, python) == ("-n", "python"), command.text
        pages.provide(arguments)
        done = mpirun(int(ranks), *arguments, timeout=120, **QUICK)
        assert done.returncode == 0, f"{command.text}\n{done.stdout[-600:]}{done.stderr[-600:]}"


@needs_mpi
def test_the_script_of_the_python_page_trains_one_run_on_two_ranks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = [block for block in blocks(ROOT / "docs/python.md") if "launch.on_all_ranks" in block]
    (tmp_path / "script.py").write_text("import dcgan\n" + script.replace("steps=20", "steps=2"))
    done = mpirun(2, "script.py")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["0001-dcgan64"]
    assert done.stdout.count("Run(0001-dcgan64, step 2, dcgan64)") == 1
