"""`mpirun -n N python -m dcgan.train`: one run folder, as of one process; other numbers of ranks; faults, signals."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dcgan.run import log
from dcgan.run.folder import RunDir
from gpunet import checkpoint
from mpirun import mpirun, needs_mpi, ranks_of, started
from running import PLACE, arrays, content, run_train, words, write_pictures

pytestmark = [needs_mpi, pytest.mark.usefixtures("numbers_for_plot")]
PROGRAM = Path(__file__).parent / "train_on_ranks.py"
# basicgan has no batch norm, whose results depend on which pictures a rank has.
SMALL = "--preset basicgan --width 4 --image-size 28 --z-dim 5 --batch-size 8 --samples 6 --no-progress"
EVERY = "--sample-every 4 --checkpoint-every 3 --keep 99"


@pytest.fixture
def options(tmp_path):
    """The options of a small training on 20 pictures, in the folder of `runs`."""
    return words((SMALL, *PLACE, EVERY, "--data", write_pictures(tmp_path / "data"), "--out", tmp_path / "runs"))


@pytest.fixture
def run(runs):
    return runs / "0001-basicgan"


def train(count, *arguments, fault="none", rank=0):
    """Train on so many ranks; return what mpirun returned."""
    return mpirun(count, PROGRAM, fault, rank, *words(arguments), timeout=100)


def assert_close(path, other):
    """Fail where the numbers of two checkpoints are not the same to float32's rounding."""

    def walk(a, b, name=""):
        assert type(a) is type(b), name
        if isinstance(a, dict):
            assert a.keys() == b.keys(), name
            for key in a.keys() - {"config"}:
                walk(a[key], b[key], f"{name} {key}")
        elif isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)
        else:
            assert a == b or "adam" in name or "watch" in name, name

    walk(checkpoint.load(path), checkpoint.load(other))


@pytest.mark.slow
def test_a_run_goes_on_with_other_numbers_of_ranks_as_that_of_one_process(options, runs, run):
    """4 ranks, then 1, then 4: the same files, steps, epochs and, to rounding, numbers."""
    first = train(4, *options, "--steps 4", "--clip-grad 5")
    assert first.returncode == 0, first.stderr
    assert "4 ranks" in first.stdout and first.stdout.count("run folder") == 2  # rank 0 alone speaks
    assert run_train("--resume", run, "--steps 7", "--no-progress") == 0
    third = train(4, "--resume", run, "--steps 10", "--no-progress")
    assert third.returncode == 0 and "going on from step 7" in third.stdout, third.stderr
    assert run_train(*options, "--steps 10", "--clip-grad 5") == 0
    other = runs / "0002-basicgan"
    extra = {"checkpoints/000004.h5", "checkpoints/000007.h5", "samples/000007.png"}  # the last ones of a start
    assert set(content(run)) - extra == set(content(other)) - extra
    assert len(list(runs.iterdir())) == 2
    for path in RunDir(other).saved():
        assert_close(run / "checkpoints" / path.name, path)
    mine, wanted = log.read(run / "log.jsonl"), log.read(other / "log.jsonl")
    assert len(mine) == 10 and [record.keys() for record in mine] == [record.keys() for record in wanted]
    for record, like in zip(mine, wanted, strict=True):
        assert list(record.values()) == pytest.approx(list(like.values()), rel=1e-4)
    starts = json.loads((run / "run.json").read_text())["starts"]
    assert [start.get("ranks") for start in starts] == [4, None, 4]


@pytest.mark.slow
def test_a_resumed_run_of_as_many_ranks_is_the_uninterrupted_one_bit_for_bit(options, runs, run):
    """Also with batch norm, whose statistics each rank takes of its own pictures."""
    more = [*options, "--preset monn28 --augment color,translation --accumulate 2 --batch-size 4"]
    assert train(2, *more, "--steps 6").returncode == 0
    (runs / "0001-monn28").rename(runs / "0005-monn28")
    assert train(2, *more, "--steps 3").returncode == 0
    resumed = next(path for path in runs.iterdir() if path.name != "0005-monn28")
    assert train(2, "--resume", resumed, "--steps 6", "--no-progress").returncode == 0
    a, b = content(runs / "0005-monn28"), content(resumed)
    assert set(b) - set(a) == {"samples/000003.png"} and set(a) <= set(b)  # the last one of a start
    assert [name for name in a if a[name] != b[name] and name != "config.json"] == []


@pytest.mark.slow
def test_batch_norm_among_other_ranks_is_said_to_take_other_statistics(options, runs):
    """Not with --sync-bn, and not where nothing is left to train. run.json notes it."""
    words_of_it = "changed: ranks 2 -> 1 (without --sync-bn batch norm takes other statistics); from step 2 on not what"
    for more, said in (("--no-sync-bn", 1), ("--sync-bn", 0)):
        assert train(2, *options, "--preset monn28 --steps 2", more).returncode == 0
        run = max(runs.iterdir())
        for steps, times in ((2, 0), (3, said)):
            done = mpirun(1, PROGRAM, "none", 0, "--resume", run, "--steps", steps, "--no-progress")
            assert done.returncode == 0 and done.stdout.count(words_of_it) == times, done.stdout
        last = json.loads((run / "run.json").read_text())["starts"][-1]
        assert last.get("changed", []) == [words_of_it[9:].partition(";")[0]] * said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("--lr 0", "error: --lr: got '0', expected a number in (0, inf)"),
        ("--batch-size 7", "error: --batch-size: got 7, expected a multiple of 2, the number of ranks, such as 6 or 8"),
        ("--ranks 4", f"error: --ranks: got 4, but 2 processes were started: start them by mpirun -n 4 {PROGRAM.name}"),
        ("--ranks 0", "error: --ranks: got '0', expected one of auto, none, or the number of processes that"),
        ("--data nowhere", "error: "),
    ],
    ids=["a wrong option", "an odd batch", "another number of ranks", "no ranks", "no data"],
)
def test_a_mistake_that_all_ranks_see_is_said_once(options, runs, arguments, line):
    done = train(2, *options, "--steps 2", arguments)
    assert done.returncode == 2
    said = [each for each in done.stderr.splitlines() if "error" in each]
    assert len(said) == 1 and said[0].startswith(line) and "rank" not in said[0].removeprefix(line), done.stderr
    assert not runs.exists()


def test_ranks_with_unlike_options_are_refused(options, runs):
    """Also where a file says them, or where one rank is to go on with a run."""
    for rank, rate in enumerate((0.2, 0.1)):
        (runs.parent / f"{rank}.toml").write_text(f"lr = {rate}\n")
    first, second = (f"--steps 3 --config {runs.parent}/{rank}.toml" for rank in (0, 1))
    for rank0, rank1, line in (
        ("--steps 3", "--steps 6 --flip", "--steps: 6, rank 0 has 3; --flip: True, rank 0 has none"),
        ("--steps 3", f"--steps 3 --resume {runs}", f"--resume: {runs}, rank 0 has none"),
        (first, second, "--lr: 0.1, rank 0 has 0.2"),
    ):
        done = mpirun(1, PROGRAM, "none", 0, *options, *words((rank0,)), ":", "-n", 1, sys.executable, PROGRAM, "none",
                      0, *options, *words((rank1,)), timeout=60)  # fmt: skip
        assert done.returncode == 2 and done.stderr == f"error: rank 1: {line}\n"
    assert not runs.exists()


def test_ranks_none_lets_each_process_train_on_its_own(options, runs):
    assert train(2, *options, "--steps 1 --ranks none").returncode == 0
    assert len(list(runs.iterdir())) == 2


@pytest.mark.parametrize(
    ("fault", "status", "line"),
    [
        ("bad-file", 2, "error: rank 1: photos/7.png cannot be read"),
        ("memory", 1, "error: rank 1: out of memory (no room for 7 numbers)"),
        ("bug", 1, "error: rank 1:"),
        ("hang", 1, "error: rank 1 hangs: a step has taken over"),
        ("mismatch", 1, "error: all ranks have waited for each other for 6 seconds, rank 0 in "),
    ],
)
def test_a_fault_of_one_rank_ends_all_with_one_line(options, run, fault, status, line):
    began = time.monotonic()
    done = train(2, *options, "--steps 1000", fault=fault, rank=1)
    assert done.returncode == status and time.monotonic() - began < 30
    said = [each for each in done.stderr.splitlines() if each.startswith("error")]
    assert len(said) == 1 and said[0].startswith(line), done.stderr
    assert ("ZeroDivisionError: a bug" in done.stderr) == (fault == "bug")
    newest = RunDir(run).saved()[0]
    assert checkpoint.load(newest)["step"] >= 3 and not list(run.rglob(".*.tmp"))


def test_weights_that_drift_apart_are_seen_at_the_next_checkpoint(options):
    done = train(2, *options, "--steps 7", fault="drift", rank=1)
    assert done.returncode == 0
    assert done.stdout.count("the weights of rank 1 are not those of rank 0") == 2  # of step 6, and of the last one
    assert "step 6: the weights" in done.stdout


def test_a_picture_that_one_rank_alone_cannot_read_is_listed_by_rank_0(options, run):
    done = train(2, *options, "--steps 7", fault="skip", rank=1)
    assert done.returncode == 0, done.stderr
    assert f"1 files could not be read: {run / 'skipped.txt'}" in done.stdout
    assert (run / "skipped.txt").read_text().split() == ["7.png", "truncated", "(rank", "1)"]


def test_all_ranks_roll_back_together(options, run):
    done = train(2, *options, "--steps 9 --sample-every 99 --on-collapse rollback", fault="collapse", rank=0)
    assert done.returncode == 0, done.stderr
    assert "rollback 1 of at most 3" in done.stdout and "the weights of rank" not in done.stdout
    rollbacks = checkpoint.load(run / "checkpoints/000009.h5")["rollbacks"]
    assert len(rollbacks) == 1 and rollbacks[0][1] == 3


def test_all_ranks_stop_where_the_watch_says_so(options, run):
    done = train(2, *options, "--steps 9 --sample-every 99 --on-collapse stop", fault="collapse", rank=0)
    assert done.returncode == 1
    assert done.stderr.count("error: the watch says so: training stopped") == 1, done.stderr


def wait_for(process, run, count=3):
    """Wait until ranks have saved some steps; return the numbers of their processes."""
    deadline = time.monotonic() + 60
    while not (run / f"checkpoints/{count:06d}.h5").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return ranks_of(process)


@pytest.mark.parametrize(("number", "rank"), [(signal.SIGINT, 1), (signal.SIGTERM, 0)], ids=["Ctrl-C", "terminate"])
def test_a_signal_to_any_rank_saves_once(options, run, number, rank):
    with started(2, PROGRAM, "none", 0, *options, "--steps", 10**6) as process:
        os.kill(wait_for(process, run)[rank], number)
        out, errors = process.communicate(timeout=60)
    step = int(RunDir(run).saved()[0].stem)
    assert process.returncode == 130 and out.count(f"stopped at step {step} of 1000000, everything is saved") == 1
    assert f"go on with: mpirun -n 2 python -m dcgan.train --resume {run}" in out and "error:" not in errors
    assert (run / "log.jsonl").read_bytes().count(b"\n") == step


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_rank_that_is_gone_ends_all_and_the_run_goes_on_from_its_last_checkpoint(options, run, number):
    with started(2, PROGRAM, "none", 0, *options, "--steps", 10**6) as process:
        os.kill(wait_for(process, run)[1], number)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert process.returncode not in (0, None) and time.monotonic() - began < 30
    if number == signal.SIGSTOP:
        assert "error: rank 1 has given no sign of life for 6 seconds" in errors
    newest = RunDir(run).saved()[0]
    before, step = arrays(newest), int(newest.stem)
    assert before["step"] == step
    assert run_train("--resume", run, "--steps", step + 1, "--no-progress") == 0
    assert arrays(newest) == before and len(log.read(run / "log.jsonl")) == step + 1
