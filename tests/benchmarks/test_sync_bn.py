"""The comparison of trainings of several ranks, with --sync-bn and without."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import sync_bn
from dcgan.errors import UserError
from mpirun import mpirun, needs_mpi


@needs_mpi
@pytest.mark.slow
def test_two_ranks():
    options = ["--steps", "3", "--window", "2", "--width", "2", "--image-size", "16", "--batch-size", "8"]
    done = mpirun(2, "-m", "benchmarks.sync_bn", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    head, names, *rows, verdict = done.stdout.splitlines()
    assert head == "dcgan64 on built-in faces, width 2, 16x16 pictures, batch 8; 2 ranks against one"
    assert names.split() == ["--sync-bn", "without"] and verdict == "--sync-bn trains as one rank does"
    assert [row[:16].rstrip() for row in rows] == ["losses to 2", "losses to 3", "weights"]
    for row in rows:
        synced, own = map(float, row[16:].split())
        assert synced < 1e-4 < own


def test_losses_that_are_not_those_of_one_rank_are_a_failure(capsys):
    options = sync_bn.checked(sync_bn.parser().parse_args(["--steps", "2", "--window", "2"]), 2)
    curve, weights = np.ones((2, 2)), np.ones(3)
    found = {"alone": (curve, weights), "synced": (curve + 1e-3, weights), "own": (curve + 1e-3, weights)}
    assert sync_bn.report(options, 2, found) == 1
    assert "FAILED" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "words", "line"),
    [
        (1, "", "got one process"),
        (3, "", "got 32, expected a multiple of 3"),
        (2, "--steps 0", "--steps: got '0', expected a whole number of at least 1"),
        (2, "--window 1.5", "--window: got '1.5', expected a whole number"),
    ],
)
def test_mistakes(size, words, line):
    with pytest.raises(UserError, match=line):
        sync_bn.checked(sync_bn.parser().parse_args(words.split()), size)


@needs_mpi
@pytest.mark.parametrize("words", ["--steps 0", "--image-size 1"])
def test_a_mistake_is_said_once(words):
    done = mpirun(2, "-m", "benchmarks.sync_bn", *words.split())
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and words.split()[0] in done.stderr and done.stderr.count("\n") == 1
