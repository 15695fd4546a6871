"""Every command of README.md, CONTRIBUTING.md and docs/ runs as it is pasted, made short by DCGAN_QUICK."""

from __future__ import annotations

import configparser
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest

import pages
from dcgan import quick
from pages import COMPARED, PAGES, ROOT, SLOW, UNCHECKED, Command, commands, fences, is_command, left_out

NAMES = [page.name for page in PAGES]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder that is new for each page; return its exit status and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(quick.VARIABLE, "1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/kernels.md").write_bytes((ROOT / "docs/kernels.md").read_bytes())

    def run(command: Command) -> tuple[int, str]:
        _, _, module, *arguments = command.words
        pages.provide(arguments)
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        status = 0
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
                runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        unsolved = module == "puzzles" and status == 1  # as the file is that --start has written before
        return 0 if unsolved else status, "".join(capsys.readouterr())

    return run


def wrong(page: Path, run, slow: bool) -> list[str]:
    """Run the commands of a page; return those that fail, with what they printed."""
    failed = []
    for command in commands(page):
        if left_out(command) or bool(re.match(SLOW, command.text)) is not slow:
            continue
        status, printed = run(command)
        if status:
            failed.append(f"{command.text}\nstatus {status}: {printed[-600:]}")
    return failed


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_run_as_pasted(page, run, record_property):
    for command in commands(page):
        if reason := left_out(command):
            record_property(f"no test runs, since it {reason}", re.split(r"\s+#", command.text)[0])
    assert not (failed := wrong(page, run, slow=False)), "\n\n".join(failed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_benchmarks_run_as_pasted(page, run):
    assert not (failed := wrong(page, run, slow=True)), "\n\n".join(failed)


def test_commands_are_found():
    found = {page.name: [command.text for command in commands(page)] for page in PAGES}
    assert len(found["README.md"]) > 25 and len(found["presets.md"]) > 10 and found["CONTRIBUTING.md"]
    assert "python -m dcgan.train --data celeba.h5" in found["data.md"]
    assert "module load openmpi && pip install mpi4py" in found["ranks.md"]  # of a fenced block


def test_commands_of_indented_and_of_fenced_blocks_are_read_alike(tmp_path):
    page = tmp_path / "page.md"
    excerpt = "<!-- excerpt: a.py f -->\n```\nmake nothing\n```\n"
    page.write_text(f"    make a\n\n```\nmake b\n  make c\n```\n\n```text\nmake nothing\n```\n\n{excerpt}`make d`\n")
    assert [(each.text, each.whole) for each in commands(page)] == [
        ("make a", True), ("make b", True), ("make c", True), ("make d", False)
    ]  # fmt: skip


def test_every_fenced_block_is_checked():
    """A block is an excerpt, a program that runs, commands, or on one of two lists with the reason."""
    known, unknown = set(), []
    for page in PAGES:
        text, name = page.read_text(encoding="utf-8"), page.relative_to(ROOT)
        assert len(re.findall(r"^\s*(?:```|~~~)", text, re.M)) == 2 * len(fences(text)), f"{name}: an odd fence"
        for block in fences(text):
            mark = f"{name} {block.mark}"
            first = f"{mark}: {block.text.partition(chr(10))[0]}"
            known |= {mark, first}
            lines = [Command(line.strip(), True) for line in block.text.splitlines()]
            checked = block.excerpt or block.mark == "python" or (not block.mark and any(map(is_command, lines)))
            if not checked and mark not in COMPARED and first not in UNCHECKED:
                unknown.append(f"{name}:{block.line}: {first}")
            if first in UNCHECKED and block.mark == "py":
                compile(block.text, first, "exec")
    assert not unknown, unknown
    assert known >= {*COMPARED, *UNCHECKED}


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    settings = set(re.findall(r"^([A-Z_]+) (?:\?=|:=)", (ROOT / "Makefile").read_text(), re.M))
    for command in [each for page in PAGES for each in commands(page) if each.text.startswith("make ")]:
        for word in command.words[1:]:
            name, sign, _ = word.partition("=")
            assert name in (settings if sign else targets), command.text


def test_installed_commands_exist():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"]
    names = {name for page in PAGES for name in re.findall(r"`(dcgan-[a-z]+)[ `]", page.read_text())}
    assert len(names) > 1 and all(f"\n{name} = " in scripts for name in names), names
    extras = {name for page in PAGES for name in re.findall(r"'[a-z]*\.?\[([a-z0-9,]+)\]'", page.read_text())}
    known = set(setup["options.extras_require"])
    assert len(extras) > 3 and {part for name in extras for part in name.split(",")} <= known


def test_the_readme_lists_every_command():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    modules = re.findall(r"= (dcgan\.[a-z]+):main", setup["options.entry_points"]["console_scripts"])
    text = (ROOT / "README.md").read_text()
    assert len(modules) > 5 and all(f"| `python -m {module}` |" in text for module in modules)


def test_a_command_that_fails_is_noticed(run):
    assert run(Command("python -m dcgan.train --preset nothing", True))[0] == 2
    assert run(Command("python -m dcgan.train --no-such-option", True))[0] == 2
