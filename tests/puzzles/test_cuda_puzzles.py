"""The puzzles in CUDA C++: solutions meet their targets, stubs and broken kernels are told why they do not."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest

from gpunet import kernels as loader
from puzzles import kernels
from puzzles.answer import Case, Stopped, judge_result
from puzzles.table import PUZZLES, named

CUDA = [puzzle for puzzle in PUZZLES if puzzle.kind == "cuda"]
NAMES = [puzzle.name for puzzle in CUDA]
ROWS = [
    (puzzle, name, i)
    for puzzle in CUDA
    for name in puzzle.page().RESULTS
    for i, _ in enumerate(puzzle.page().MISTAKES[name])
]
needs_compiler = pytest.mark.skipif(not loader.compiler_available(), reason="needs a C++ compiler")


def judged(puzzle, text, tmp_path):
    """Return whether a file with this text solves the puzzle, and what is said, in one text."""
    path = tmp_path / puzzle.file_name
    path.write_text(text)
    try:
        solved, lines = kernels.judge(puzzle.page(), path, contextlib.nullcontext)
    except Stopped as stopped:
        return False, str(stopped)
    return solved, "\n".join(lines)


SCORES = {  # lines of the solutions' scores
    "map": ["sectors per load: 4 (target 4)", "sectors per store: 4 (target 4)"],
    "bounds": ["sectors per load: 3.906 (target 4)"],  # 125 sectors in 32 requests: the last warp has 8 numbers
    "coalesced": ["sectors per load: 4 (target 4)", "sectors per store: 4 (target 4)"],
    "tree": ["bank conflicts: 0 (target 0)", "requests to shared memory, per block: 45 (target 60)"],
    "banks": ["sectors per load: 4 (target 4)", "sectors per store: 4 (target 4)", "bank conflicts: 0 (target 0)"],
    "race": ["numbers loaded per result: 1.031 (target 1.05)"],  # 66 for 64
    "tensor_core": ["loads of the warp, for 8 numbers of k: 6 (target 6)", "sectors per store: 8 (target 8)"],
    "fused": ["numbers loaded per number of x: 1.062 (target 1.1)", "atomics: 0 (target 0)"],  # 8 biases, 128 rows
}


@needs_compiler
@pytest.mark.parametrize("puzzle", CUDA, ids=NAMES)
def test_the_solution_meets_the_targets(puzzle, tmp_path):
    solved, said = judged(puzzle, puzzle.solution.read_text(), tmp_path)
    assert solved, said
    assert [line for line in said.splitlines() if line in SCORES[puzzle.name]] == SCORES[puzzle.name], said
    assert "races: 0 (target 0)" in said and re.search(r"registers: (\d+ of a thread|not known)", said)


@needs_compiler
@pytest.mark.parametrize("puzzle", [puzzle for puzzle in CUDA if puzzle.name != "race"], ids=lambda puzzle: puzzle.name)
def test_the_stub_is_told_that_nothing_is_written(puzzle, tmp_path):
    solved, said = judged(puzzle, puzzle.stub, tmp_path)
    first = puzzle.page().RESULTS[0]
    sentence = " is as it was: nothing" if puzzle.name == "bounds" else " holds no numbers yet: no thread has written"
    assert not solved and said.startswith(first + sentence), said


@pytest.mark.parametrize(("puzzle", "name", "i"), ROWS, ids=lambda value: getattr(value, "name", str(value)))
def test_each_mistake_has_its_sentence(puzzle, name, i):
    page = puzzle.page()
    mistake, cases = page.MISTAKES[name][i], [Case(case.said, case.args) for case in page.cases()]
    right = [page.right(*case.args) for case in cases]
    right = [values[page.RESULTS.index(name)] if isinstance(values, tuple) else values for values in right]
    wrong = [np.asarray(mistake.value(*case.args), "float32") for case in cases]
    solved, said = judge_result(name, cases, wrong, right, page.MISTAKES[name], kernels.TOLERANCE)
    assert not solved and said.startswith(f"{name} {mistake.said}")


CHANGED = [  # puzzle, a piece of its solution, what stands there instead, parts of what is said
    ("map", "blockIdx.x * blockDim.x + ", "", ["y is filled by the first block's numbers alone"]),
    ("map", "leaky_relu", "relu", ["map.cu has no kernel leaky_relu"]),
    ("map", "real slope", "float slope", ["the parameters of leaky_relu have changed"]),
    ("map", "slope * x[i];", "slope * x[i]", ["map.cu, line 5: expected", "y[i] = x[i] > 0"]),
    ("bounds", "if (i < count)", "", ["Outside: thread 1 of block 1 reads", "[5] (line 5), beyond its end; 81 such"]),
    ("bounds", "i < count", "i <= count", ["m is right here, but:", "reads m[5] (line 5), beyond its end"]),
    ("coalesced", "blockDim.x + threadIdx.x, row = blockIdx.y * blockDim.y + threadIdx.y",
     "blockDim.x + threadIdx.y, row = blockIdx.y * blockDim.y + threadIdx.x",
     ["y is right.", "sectors per load: 16.5 (target 4): neighbouring threads",
      "mean over the loads of x and of bias; a load of one bias is 1 sector.", "sectors per store: 32 (target 4)"]),
    ("tree", "__syncthreads();", "", 
     ["Race: thread 1 of block 0 writes word 1 of partial (line 8) that thread 0 reads (line 11)"]),
    ("tree", "if (t < half)", "if (t >= half) return; else",
     ["some threads of a block wait in __syncthreads() that others never reach"]),
    ("tree", "partial[t + half]", "partial[t + 2 * half]",
     ["Outside: thread 0 of block 0 reads word 256 of partial (line 11), beyond its end; "]),
    ("map", "// A solution", '#include "none_such.cuh"\n// A solution', ["map.cu includes a file that is not there: "]),
    ("banks", "[32][33]", "[32][32]", ["y is right.", "bank conflicts: 5952 (target 0): lanes of a warp want"]),
    ("banks", "tile[across][down]", "tile[down][across]", ["no tile is turned: read tile[threadIdx.x][threadIdx.y]"]),
    ("race", "+ 2];\n        __syncthreads();", "+ 2];",
     ["y is right here, but:\nRace: thread 1 ", " writes word 1 of piece (line 7) that thread 0 reads (line 11)"]),
    ("tensor_core", "r % 2 * 8) * K + k + t + r / 2 * 4", "r / 2 * 8) * K + k + t + r % 2 * 4",
     ["c has a[1] and a[2] the wrong way round"]),
    ("fused", "    partial[", "    atomicAdd(&sums[c], real(0));\n    partial[", ["atomics: 16 (target 0)"]),
    ("fused", "sums[c] = sum;", "atomicAdd(&sums[c], sum);",
     ["y is right.\nsums is not set to 0 before the launch: atomicAdd adds to what lay there."]),
    ("fused", "sums[c] = sum;", "atomicAdd(&y[c], sum);",
     ["sums holds no numbers yet: no thread has written to it"]),
    ("fused", "c] + own", "c] + bias[c]", ["numbers loaded per number of x: 2 (target 1.1): load bias[c] once"]),
]  # fmt: skip


@needs_compiler
@pytest.mark.parametrize(("name", "old", "new", "sentences"), CHANGED)
def test_a_broken_kernel_is_told_why(name, old, new, sentences, tmp_path):
    text = named(name).solution.read_text()
    assert old in text
    solved, said = judged(named(name), text.replace(old, new), tmp_path)
    assert not solved and all(sentence in said for sentence in sentences), said


@needs_compiler
def test_the_race_shows_in_no_result(tmp_path):
    """That is what makes it hard to find: the stub's results are right here."""
    solved, said = judged(named("race"), named("race").stub, tmp_path)
    assert not solved and said.startswith("y is right here, but:\nRace: ") and "races: 613 (target 0)" in said
