"""2,000 mutated inputs, always the same ones, a test for each reader; and tests that the fuzzer itself can fail."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import pool, worker
from tests.fuzz.guards import CANARY
from tests.fuzz.pool import Helper
from tests.fuzz.readers import READERS, is_there, reader_of
from tests.fuzz.task import Task

SEED, COUNT = 0, 2000


@pytest.fixture(scope="session")
def helper():
    """One helper process for all readers."""
    helper = Helper(SEED)
    yield helper
    helper.close()


@pytest.mark.parametrize("name", READERS)
def test_no_input_does_harm(helper, name):
    """Each works, or ends in one line and status 2; nothing outside its folder is read or written."""
    if not is_there(name):
        pytest.skip(f"needs {READERS[name].needs}")
    cases = [case for case in range(COUNT) if reader_of(case) == name]
    assert len(cases) == READERS[name].share * COUNT / 1000
    faults = filter(None, map(helper.do, cases))
    again = f"again: python -m tests.fuzz --seed {SEED} --case"
    assert [f"{fault.command} {fault.text} ({again} {fault.case})" for fault in faults] == []


def test_a_case_is_the_same_in_every_process(tmp_path):
    """The file of a case can be made again from its number alone."""
    program = "import sys; from pathlib import Path; from tests.fuzz import worker; "
    program += "print(worker.made(5, int(sys.argv[1]), Path(sys.argv[2])))"
    case = next(case for case in range(COUNT) if reader_of(case) == "npz")
    contents = []
    for name in "ab":
        command = [sys.executable, "-W", "ignore", "-c", program, str(case), str(tmp_path / name)]
        run = subprocess.run(command, capture_output=True, text=True, cwd=pool.ROOT, check=True)
        files = {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        contents.append((files, run.stdout))
    assert contents[0] == contents[1] and contents[0][0]


# What a case may do wrong, as a program for the folder of a case, and what is said of it.
WRONG = {
    "open('../private/secret.txt').close()": "open of",
    "os.remove('../private/secret.txt')": "os.remove of",
    "os.mkdir('../made')": "outside the folder were made",
    "open('../x', 'w').close()": "outside the folder were made",
    "os.system('true')": "os.system",
    "shutil.copy('../private/secret.txt', 'copy')": "copy holds a private text",
    "import _pickle; _pickle.loads(b'cos\\nsystem\\n.')": "pickle.find_class",
}


@pytest.mark.parametrize("program", WRONG)
def test_the_guards_see(tmp_path, program):
    """In a process of its own: a hook of the interpreter stays until its end."""
    lines = [
        "import contextlib, json, os, shutil, sys",
        "from pathlib import Path",
        "from tests.fuzz.guards import Guards",
    ]
    lines += ["guards = Guards(Path(sys.argv[1]))", "guards.case.mkdir()", "os.chdir(guards.case)", "guards.begin()"]
    lines += ["with contextlib.suppress(RuntimeError):", f"    {program}", "print(json.dumps(guards.end()))"]
    command = [sys.executable, "-c", "\n".join(lines), str(tmp_path / "box")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=pool.ROOT)
    assert any(WRONG[program] in text for text in json.loads(run.stdout)), (run.stdout, run.stderr)


OUTPUTS = [
    (0, "fine", "", ""),
    (2, "", "error: a.npy is no file\n", ""),
    (2, "", "a note\nerror: a.npy is no file\n", ""),
    (1, "", "error: out of memory (): try less\n", ""),
    (1, "", "error: step 3: loss_d is nan: training stopped, no checkpoint was made before\n", ""),
    (1, "", "error: a.npy: input or output\n", "status 1"),
    (2, "", "", "expected one line"),
    (2, "", "error: a\nerror: b\n", "expected one line"),
    (2, "", "error: a\nmore of it\n", "expected one line"),
    (2, "", "error: \x1b[31mred\n", "letters that are none"),
    (0, "", "x.py:3: RuntimeWarning: overflow\n", "a warning"),
    (0, CANARY.decode(), "", "a private text"),
]


@pytest.mark.parametrize("status, out, errors, fault", OUTPUTS)
def test_the_verdict_on_an_output(status, out, errors, fault):
    found = worker.fault_of(status, out, errors)
    assert fault in found and bool(found) == bool(fault)


def test_a_death_and_a_hang_are_told(monkeypatch):
    """The case that ends the helper is named, and the next one is done by a new helper."""
    helper = Helper(SEED)
    try:
        helper.process.kill()
        helper.process.wait()
        assert helper.do(0) is None  # it was dead before
        os.kill(helper.process.pid, signal.SIGSTOP)  # it does not answer
        monkeypatch.setattr(pool, "PATIENCE", 0.3)
        assert "no end after" in helper.do(1).text
        monkeypatch.undo()
        assert helper.do(2) is None
    finally:
        helper.close()


def test_a_traceback_and_a_lost_picture_are_faults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "opened", lambda task, faults: [][0])
    assert "IndexError" in worker.judged(Task("open", ["a"]))
    monkeypatch.undo()
    (tmp_path / "a").mkdir()
    worker.pictures.save_sound(tmp_path / "a/a.png")
    task = Task("open", [str(tmp_path / "a")], {"image_size": (8, 8), "channels": 3}, sound=True)
    assert worker.judged(task) == ""
    monkeypatch.setattr(worker.pictures, "PIXELS", worker.pictures.PIXELS ^ 1)
    assert "the sound picture came out otherwise" in worker.judged(task)


@pytest.mark.slow
def test_killed_runs_go_on_bit_for_bit():
    """Some twenty kills; `make fuzz` does more."""
    command = [sys.executable, "-m", "tests.fuzz.kills", "--count", "20"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(pool.ROOT))
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 faults" in run.stdout and int(run.stdout.split()[0]) >= 20
