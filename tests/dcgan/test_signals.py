"""Runs that are stopped by Ctrl-C or kill -9 go on as if nothing had happened."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from dcgan.run.folder import RunDir
from dcgan.signals import stop_on_signal
from running import content, run_train, start

pytestmark = pytest.mark.usefixtures("numbers_for_plot")


def assert_same_run(run: Path, straight: Path):
    """Every file is the same; the stopped run may have a checkpoint of the step where it was stopped."""
    a, b = content(run), content(straight)
    extra = {name for name in a if name.startswith("checkpoints/")} - set(b)
    assert len(extra) <= 1
    assert set(a) - extra == set(b)
    assert [name for name in b if a[name] != b[name]] == []


def wait_for_steps(process, run: Path, count: int):
    """Wait until a training has taken some steps."""
    deadline = time.monotonic() + 60
    while not list((run / "checkpoints").glob(f"{count:06d}.h5")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
def test_ctrl_c_saves_and_says_how_to_go_on(often, runs, run, number):
    process = start(*often, "--steps", 100_000)
    wait_for_steps(process, run, 3)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == ""
    step = int(RunDir(run).saved()[0].stem)
    assert f"stopped at step {step} of 100000, everything is saved" in out
    assert out.splitlines()[-1].endswith(f"python -m dcgan.train --resume {run}")
    assert (run / "log.jsonl").read_bytes().count(b"\n") == step
    assert run_train("--resume", run, "--steps", step + 5, "--no-progress") == 0
    assert run_train(*often, "--steps", step + 5) == 0
    assert_same_run(run, runs / "0002-dcgan64")


@pytest.fixture
def interruptible():
    """Python's own handling of SIGINT, which a shell switches off for what it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_signal_ends_the_program(interruptible):
    before = signal.getsignal(signal.SIGINT)
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGINT)
        assert stop
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_killed_again_and_again(often, runs, run):
    """kill -9 at random moments, then on to the end: as if nothing had happened."""
    process = start(*often, "--steps 40")
    wait_for_steps(process, run, 3)
    for _ in range(3):
        process.kill()
        process.communicate()
        process = start("--resume", run, "--no-progress")
        time.sleep(random.uniform(0.5, 1.5))  # also while it starts
    process.kill()
    process.communicate()
    assert run_train("--resume", run, "--no-progress") == 0
    assert run_train(*often, "--steps 40") == 0
    assert_same_run(run, runs / "0002-dcgan64")
    assert not list(run.rglob("*.tmp"))


def test_killed_between_the_last_checkpoint_and_the_plot(often, runs, run, capsys):
    run_train(*often, "--steps 4")
    whole = content(run)
    (run / "loss.png").unlink()
    assert run_train("--resume", run, "--no-progress") == 0
    assert "is finished (step 4 of 4). To train longer, give a larger --steps or --epochs" in capsys.readouterr().out
    assert content(run) == whole
    assert run_train("--resume", run, "--steps 3") == 2
    assert "is at step 4 of 3: ask for more" in capsys.readouterr().err


def test_killed_before_the_first_checkpoint(often, runs, capsys):
    run_train(*often, "--steps", 4)
    whole = content(runs / "0001-dcgan64")
    for path in (runs / "0001-dcgan64" / "checkpoints").iterdir():
        path.unlink()
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    assert "going on from step 0" in capsys.readouterr().out
    assert content(runs / "0001-dcgan64") == whole


def test_a_log_longer_than_the_checkpoint_is_cut(often, runs):
    """What a kill leaves: lines behind the checkpoint, the last one torn."""
    run_train(*often, "--steps", 6)
    whole = content(runs / "0001-dcgan64")
    with open(runs / "0001-dcgan64/log.jsonl", "a") as file:
        file.write('{"step": 7, "epoch": 4}\n{"step": 8, "ep')
    (runs / "0001-dcgan64/checkpoints/000006.h5").unlink()
    run_train("--resume", runs / "0001-dcgan64", "--no-progress")
    assert content(runs / "0001-dcgan64") == whole
