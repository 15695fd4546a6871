"""python -m puzzles: the list, files to fill in, checks in a process of its own, and misuse."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys

import pytest

from gpunet import kernels as loader
from puzzles.__main__ import main
from puzzles.table import PUZZLES, named
from running import ROOT


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capfd):
    """Run the command; return its exit status and all that it and its processes print."""

    def run(*arguments: str) -> tuple[int, str]:
        status = main(list(arguments))
        return status, "".join(capfd.readouterr())

    return run


def write(here, name: str, text: str) -> None:
    (here / "my-puzzles").mkdir(exist_ok=True)
    (here / "my-puzzles" / named(name).file_name).write_text(text)


def test_the_list_has_all_twenty(run):
    status, said = run()
    assert status == 0 and said.count("[ ]") == 20 and "0 of 20 solved" in said
    assert all(f"[ ] {puzzle.name} " in said and puzzle.title in said for puzzle in PUZZLES)
    assert {lesson for puzzle in PUZZLES for lesson in puzzle.lessons} == set(range(1, 10))
    assert all(sum(n in puzzle.lessons for puzzle in PUZZLES) >= 2 for n in range(1, 10))


def test_from_the_start_to_the_solution(run, here):
    status, said = run("linear")
    assert status == 0 and "y = x @ weight + bias" in said and "python -m puzzles --start linear writes it" in said
    assert run("--start", "linear") == (
        0, "my-puzzles/linear.py says what to do. Fill it in, then: python -m puzzles linear\n"
    )  # fmt: skip
    status, said = run("linear")
    assert status == 1 and "dx is None: it is still to be written." in said and "Not solved yet" in said
    write(here, "linear", named("linear").solution.read_text())
    status, said = run("linear")
    assert status == 0 and said.endswith("Solved. Next: python -m puzzles --start leaky_relu\n")  # the one behind it
    assert json.loads((here / "my-puzzles/solved.json").read_text()) == ["linear"]
    status, said = run()
    assert "[x] linear " in said and said.count("[ ]") == 19 and "1 of 20 solved" in said


def test_a_file_is_never_overwritten(run, here):
    write(here, "paint", "mine")
    status, said = run("--start", "paint")
    assert status == 2 and said.startswith("error: my-puzzles/paint.py is there already, and stays as it is")
    assert (here / "my-puzzles/paint.py").read_text() == "mine"


@pytest.mark.parametrize("puzzle", PUZZLES, ids=lambda puzzle: puzzle.name)
def test_every_file_to_fill_in_holds_the_text(puzzle, run, here):
    assert run("--start", puzzle.name)[0] == 0
    text = (here / "my-puzzles" / puzzle.file_name).read_text()
    assert puzzle.title in text and max(map(len, text.splitlines())) <= 120
    status, said = run("--hint", puzzle.name)
    assert status == 0 and said.strip() == puzzle.page().HINT.strip()


def test_the_solution_is_shown_after_yes_alone(run, monkeypatch):
    for answer, shown in (("yes", True), ("y", False), ("", False)):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: print(question, end="") or answer)
        status, said = run("--solution", "paint")
        assert status == 0 and "Show the solution of paint?" in said
        assert ("strip = np.zeros" in said) is shown and ("Not shown." in said) is not shown


def test_another_folder(run, here):
    assert "python -m puzzles chain --folder own" in run("--start", "chain", "--folder", "own")[1]
    assert (here / "own/chain.py").is_file()


def test_the_next_puzzle_is_the_next_open_one_behind(here, run):
    for solved, begun, name, end in NEXT:
        folder = here / "my own"
        folder.mkdir(exist_ok=True)
        (folder / "solved.json").write_text(json.dumps(solved))
        for each in (*begun, name):
            (folder / f"{each}.py").write_text(named(each).solution.read_text())
        status, said = run(name, "--folder", "my own")
        assert status == 0 and said.endswith(f"Solved.{end}\n"), (name, said)


ALL = [puzzle.name for puzzle in PUZZLES]
NEXT = [  # solved before, begun before, the one that is solved now, what is said of the next
    (["chain"], [], "paint", " Next: python -m puzzles --start paint_backward --folder 'my own'"),
    (["paint_backward"], ["conv_transpose"], "paint", " Next: python -m puzzles conv_transpose --folder 'my own'"),
    (ALL[4:], [], "leaky_relu", " Next: python -m puzzles --start loss --folder 'my own'"),
    (ALL[2:], [], "frozen", " Next: python -m puzzles --start chain --folder 'my own'"),
    (ALL, [], "linear", ""),
]
NAMES = ", ".join(ALL)
MISUSE = [
    (["liner"], f"error: puzzle: got 'liner', expected one of {NAMES}: did you mean linear?\n"),
    (["xyz"], f"error: puzzle: got 'xyz', expected one of {NAMES}\n"),
    (["--folder", "file"], "error: --folder: got 'file', expected a folder: file is not one"),
    (["paint", "--folder", "file/own"], "error: --folder: got 'file/own', expected a folder: file is not one"),
    (["chain"], "error: my-puzzles/chain.py is not a file: move it away, then python -m puzzles --start chain writes"),
    (["--start"], "error: expected the name of a puzzle, as in: python -m puzzles --start paint"),
    (["paint", "--limit", "0"], "error: --limit: got '0', expected a number in (0, 100000)"),
    (["paint", "--nonsense"], "error: unrecognized arguments: --nonsense"),
]


@pytest.mark.parametrize(("arguments", "line"), MISUSE)
def test_misuse_ends_in_one_line(arguments, line, run, here):
    write(here, "paint", named("paint").solution.read_text())
    (here / "my-puzzles/chain.py").mkdir()
    (here / "file").touch()
    status, said = run(*arguments)
    assert status == 2 and said.startswith(line) and said.count("\n") == 1


@pytest.mark.parametrize("text", ["{}", "[1]", "nonsense", "[" * 20_000])
def test_a_damaged_list_of_solved_puzzles_ends_in_one_line(text, run, here):
    write(here, "paint", "")
    (here / "my-puzzles/solved.json").write_text(text)
    status, said = run()
    assert status == 2 and said.startswith("error: my-puzzles/solved.json: expected a list of names")


ENDS = [  # a reader's file, parts of what is said of it
    ("def linear_backward(dy, x, weight)\n    pass", ["linear.py, line 1: expected ':'"]),
    ("def linear_backward(dy, x, weight):\n    print('hello')\n    return dy @ x @ x, 0, 0",
     ["hello\n", "linear.py, line 3: ValueError: matmul",
      "\n    return dy @ x @ x, 0, 0\n    in this line: dy (3, 2), x (3, 1)\n"
      "    called with dy (3, 2), x (3, 1), weight (1, 2)\n"]),
    ("def linear_backward(dy, x, weight):\n    for i in (1, 2): print('hello', i)\n    return 0, 0, 0",
     ["printed for dy = [[1, 10], [2, 20], [3, 30]], x = [[1], [0], [2]], weight = [[3, 4]]:\nhello 1\nhello 2\n"
      "printed for random numbers: N = 3, C = 3, F = 3:\nhello 1\nhello 2\n"]),
    ("import nothing_of_that_name", ["linear.py, line 1: ModuleNotFoundError: No module named 'nothing_of_that_name'"]),
    ("def linear_backward(dy, x, weight):\n    while True:\n        pass",
     ["linear.py did not end within 2 s; it was in line ", ": is there an endless loop? (dy = [[1, 10], [2, 20]"]),
    ("import ctypes\ndef linear_backward(dy, x, weight):\n    ctypes.string_at(0)",
     ["linear.py crashed: Segmentation fault; it was in line 3 (dy = [[1, 10], [2, 20]"]),
    ("def linear_backward(dy, x, weight):\n    exit()", ["linear.py, line 2: SystemExit"]),
    ("import os\nos._exit(3)", ["linear.py ended the process with status 3"]),
    ("def linear_backward(*args):\n    return linear_backward(*args)", ["linear.py, line 2: RecursionError"]),
    ("def linear_backward(dy, x, weight):\n    return [0] * 10**12, 0, 0", ["linear.py, line 2: MemoryError"]),
    ("\0", ["linear.py: source code", "null bytes"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentences"), ENDS)
def test_what_the_code_does_ends_in_a_line_about_it(text, sentences, run, here):
    write(here, "linear", text)
    limit = ["--limit", "2"] if "while" in text else []  # the others may be slow where the machine is
    status, said = run("linear", *limit)
    assert status == 1 and all(sentence in said for sentence in sentences), said
    assert "Traceback" not in said and not (here / "my-puzzles/solved.json").exists()


@pytest.mark.skipif(not loader.compiler_available(), reason="needs a C++ compiler")
def test_kernels_that_hang_or_crash(run, here):
    solution = named("map").solution.read_text()
    write(here, "map", solution.replace("y[i]", "while (i >= 0) y[0] = 1;\n    y[i]"))
    status, said = run("map", "--limit", "2")
    assert status == 1 and "map.cu did not end within 2 s: is there an endless loop? (x = [1, -1" in said
    write(here, "map", solution.replace("y[i]", "y[i + 100000000000000]"))
    status, said = run("map")
    assert status == 1 and "map.cu crashed: Segmentation fault (x = [1, -1" in said
    write(here, "map", solution)
    status, said = run("map")
    assert status == 0 and "y is right.\nsectors per load: 4 (target 4)" in said and "Solved. Next: " in said


def test_interruption_ends_in_one_word(here):
    """Ctrl-C reaches the command and the process of the reader's code."""
    write(here, "linear", "print('begun', flush=True)\nwhile True:\n    pass\n")
    command = [sys.executable, "-m", "puzzles", "linear"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests in the background ignore it
    pipes = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=heeding, **pipes) as process:
        for line in process.stdout:
            if line == "begun\n":
                break
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
    assert process.returncode == 130
