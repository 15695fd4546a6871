"""How a command line begins on several ranks, and what is said where it cannot: one line each, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dcgan import generate, launch, measure, train
from gpunet.distributed import Ranks

SRUN = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "here"}


@pytest.mark.parametrize("command", [train, generate, measure])
@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (["--ranks", "2"], "got 2, but this process was started alone: start them by mpirun -n 2 "),
        (["--ranks=0"], "got '0', expected one of auto, none, or the number of processes that were started"),
        (["--ranks", "all"], "got 'all', expected one of auto, none, or the number of processes that were started"),
    ],
    ids=["two", "none of them", "a word"],
)
def test_ranks_that_are_not_there_are_refused(command, asked, line, monkeypatch, capsys):
    for name in launch.HINTS:
        monkeypatch.delenv(name, raising=False)
    assert command.main(["nothing", *asked] if command is not train else asked) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --ranks: {line}") and error.count("\n") == 1


@pytest.mark.parametrize("number", ["1", "01", "auto", "none"])
def test_one_rank_is_there(number, capsys):
    """So what comes next is looked at: there is no such run."""
    assert measure.main(["nothing", "--ranks", number]) == 2
    assert "nothing" in capsys.readouterr().err


def error_of(environment: dict[str, str], *words: str) -> str:
    """Return the one line by which a command that a launcher seems to have started ends."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=60)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_torchrun_is_told_the_command_that_was_typed():
    error = error_of(TORCHRUN, "dcgan.generate", "nothing", "--out", "x.png")
    assert "mpirun -n 2 python -m dcgan.generate ..., or by srun; or give --ranks none" in error


def test_srun_is_told_of_the_mpi_of_srun():
    pytest.importorskip("mpi4py")
    assert "take srun's own MPI (module load)" in error_of(SRUN, "dcgan.measure", "nothing")


@pytest.mark.parametrize("threads", [True, False])
def test_where_nothing_can_watch_a_line_says_so(threads, capsys):
    group = Ranks()
    group.threads, group.heard = threads, lambda: 0
    assert launch._run(lambda arguments: 7, [], group, sys.stderr) == 7
    warned = capsys.readouterr().err
    assert warned == ("" if threads else f"{launch.UNWATCHED}\n")
