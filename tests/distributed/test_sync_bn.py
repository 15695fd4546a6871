"""--sync-bn: R ranks train as one rank with the same --batch-size, in float64 and through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ten_steps
from dcgan.config import Config
from gpunet import checkpoint
from mpirun import SETTINGS, mpirun, needs_mpi
from ten_steps import SMALL
from threads_as_ranks import on_ranks

SCRIPT = Path(ten_steps.__file__)
SYNC = {"sync_bn": True}
CASES = {
    "plain": SYNC,
    "two batches a step": SYNC | {"accumulate": 2, "clip_grad": 0.5},
    "new z, two steps of G": SYNC | {"ratio": "1:2", "fresh_z": True},
    "D without batch norm": SYNC | {"norm_d": "layer", "r1": 1.0, "r1_every": 2},
    "each rank by itself": {"sync_bn": False},
}
TRIED = {1: list(CASES), 2: list(CASES), 4: ["plain", "each rank by itself"]}  # by the count of ranks
EXACT = 1e-12


def trained(folder, ranks):
    """Return the numbers of cases after ten steps in float64."""
    folder.mkdir()
    words = SCRIPT, folder, json.dumps([CASES[name] for name in TRIED[ranks]])
    if ranks == 1:
        done = subprocess.run([sys.executable, *words], env=os.environ | SETTINGS, timeout=60, check=False)
    else:
        done = mpirun(ranks, *words)
    assert done.returncode == 0, done.stderr
    return {name: dict(np.load(folder / f"{i}.npz")) for i, name in enumerate(TRIED[ranks])}


@pytest.fixture(scope="module")
def numbers(mpi, tmp_path_factory):
    """Return the numbers by count of ranks."""
    folder = tmp_path_factory.mktemp("steps")
    return {ranks: trained(folder / str(ranks), ranks) for ranks in TRIED}


def apart(found, expected):
    """Return the largest difference of two trainings by the name of the numbers, relative to the largest number."""
    return {
        name: np.abs(found[name] - value).max() / (np.abs(value).max() or 1)
        for name, value in expected.items()
        if name != "unlike"
    }


@pytest.mark.parametrize(
    "ranks, name", [(ranks, name) for ranks in (2, 4) for name in TRIED[ranks] if CASES[name]["sync_bn"]]
)
def test_ranks_train_as_one(numbers, ranks, name):
    """Weights, moments, running averages and losses after ten steps; and they are the same bits at all ranks."""
    found = numbers[ranks][name]
    errors = apart(found, numbers[1][name])
    assert len(errors) > 20 and max(errors.values()) < EXACT, errors
    assert not found["unlike"].size


@pytest.mark.parametrize("ranks", [2, 4])
def test_without_it_statistics_are_those_of_each_rank(numbers, ranks):
    """So the training is another one, and the ranks' running averages differ; their weights do not."""
    found = numbers[ranks]["each rank by itself"]
    errors = apart(found, numbers[1]["each rank by itself"])
    assert errors["losses"] > 1e-3 and errors["G 0.weight"] > 1e-2
    names = found["unlike"].tolist()
    assert names and all(".running_" in name for name in names)


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "ratio": "2:1"}], ids=str)
def test_steps_in_every_cell(cell, options):
    """Two ranks of one process, by code of both kinds on both devices."""
    config = Config(**SMALL | SYNC | options)
    expected = ten_steps.trained(config, 3, cell.device)
    for found in on_ranks(2, lambda ranks: ten_steps.trained(config, 3, cell.device)):
        errors = apart(found, expected)
        assert max(errors.values()) < EXACT, errors


LINE = ("--image-size", "16", "--width", "4", "--batch-size", "8", "--samples", "4", "--steps", "10", "--seed", "3",
         "--no-progress", "--checkpoint-every", "10")  # fmt: skip


@needs_mpi
@pytest.mark.slow
def test_through_the_command_line(tmp_path):
    """In float32, on the built-in pictures: to rounding, which Adam has made larger in ten steps."""
    weights = {}
    for ranks, more in ((1, ["--sync-bn"]), (2, ["--sync-bn"]), (2, [])):
        out = tmp_path / f"{ranks}{len(more)}"
        done = mpirun(ranks, "-m", "dcgan.train", *LINE, *more, "--out", out)
        assert done.returncode == 0, done.stdout + done.stderr
        (saved,) = out.glob("*/checkpoints/*")
        weights[ranks, bool(more)] = networks(checkpoint.load(saved)["gan"])
    alone, synced, by_itself = weights[1, True], weights[2, True], weights[2, False]
    assert distance(synced, alone) < 1e-5
    assert distance(by_itself, alone) > 1e-3


def networks(state):
    """Return the weights and running averages of G and D, flat."""
    return np.concatenate([np.ravel(state[net][name]) for net in "GD" for name in sorted(state[net])])


def distance(a, b):
    """Return the length of the difference, relative to that of b."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
