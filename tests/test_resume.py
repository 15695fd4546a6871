"""Runs that stop and go on: the same bytes as a run that never stopped, whatever stopped it."""

import random
import signal
import time
from pathlib import Path

import pytest

from dcgan import plot
from dcgan.rundir import RunDir
from gpunet import backend
from running import TINY, arrays, content, run_train, start, write_pictures

STEPS = 14  # 20 pictures in batches of 8: seven epochs, each with pictures left over
VARIANTS = {
    "plain": [],
    "mirrored": ["--flip"],
    "uniform z, two G steps": ["--z-dist", "uniform", "--ratio", "1:2", "--fresh-z"],
    "G at every third batch": ["--ratio", "3:1"],
}


@pytest.fixture(autouse=True)
def implementation(monkeypatch):
    """Restore what the command line chooses, and write the numbers of the loss plot instead of drawing it (slow)."""
    monkeypatch.setattr(plot, "save_plot", lambda path, records: path.write_text(str(records)))
    with backend.use(backend.implementation()):
        yield


@pytest.fixture
def options(tmp_path):
    """A tiny training with a checkpoint every 3 steps and a grid every 4, all of them kept."""
    data = write_pictures(tmp_path / "data")
    often = "--sample-every 4 --checkpoint-every 3 --keep 99".split()
    return [*TINY, *often, "--data", data, "--out", tmp_path / "runs"]


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def assert_same_run(run: Path, straight: Path):
    """Every file is the same; the stopped run may have a checkpoint of the step where it was stopped."""
    a, b = content(run), content(straight)
    extra = {name for name in a if name.startswith("checkpoints/")} - set(b)
    assert len(extra) <= 1
    assert set(a) - extra == set(b)
    assert [name for name in b if a[name] != b[name]] == []


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_two_halves_are_the_whole(options, runs, variant):
    assert run_train(*options, *variant, "--steps", STEPS) == 0
    assert run_train(*options, *variant, "--steps", STEPS // 2) == 0
    assert run_train("--resume", runs / "0002-dcgan64", "--steps", STEPS, "--no-progress") == 0
    a, b = content(runs / "0002-dcgan64"), content(runs / "0001-dcgan64")
    assert set(a) - set(b) == {"checkpoints/000007.h5", "samples/000007.png"}  # the first half's last step
    assert [name for name in b if a[name] != b[name]] == []
    last = (runs / name / "checkpoints/000014.h5" for name in ("0001-dcgan64", "0002-dcgan64"))
    assert next(last).read_bytes() == next(last).read_bytes()


def test_seeds_differ(options, runs):
    run_train(*options, "--steps", 2)
    run_train(*options, "--steps", 2, "--seed", 1)
    a, b = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    assert a["log.jsonl"] != b["log.jsonl"] and a["samples/000002.png"] != b["samples/000002.png"]


def wait_for_steps(process, run: Path, count: int):
    """Wait until a training has taken some steps."""
    deadline = time.monotonic() + 60
    while not list((run / "checkpoints").glob(f"{count:06d}.h5")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
def test_ctrl_c_saves_and_says_how_to_go_on(options, runs, number):
    run = runs / "0001-dcgan64"
    process = start(*options, "--steps", 100_000)
    wait_for_steps(process, run, 3)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors == ""
    step = int(RunDir(run).saved()[0].stem)
    assert f"stopped at step {step} of 100000, everything is saved" in out
    assert out.splitlines()[-1].endswith(f"python -m dcgan.train --resume {run}")
    assert (run / "log.jsonl").read_bytes().count(b"\n") == step
    assert run_train("--resume", run, "--steps", step + 5, "--no-progress") == 0
    assert run_train(*options, "--steps", step + 5) == 0
    assert_same_run(run, runs / "0002-dcgan64")


def test_killed_again_and_again(options, runs):
    """kill -9 at random moments, then on to the end: as if nothing had happened."""
    run, steps = runs / "0001-dcgan64", 40
    process = start(*options, "--steps", steps)
    wait_for_steps(process, run, 3)
    for _ in range(3):
        process.kill()
        process.communicate()
        process = start("--resume", run, "--no-progress")
        time.sleep(random.uniform(0.5, 1.5))  # also while it starts
    process.kill()
    process.communicate()
    if RunDir(run).saved()[0].stem != f"{steps:06d}":
        assert run_train("--resume", run, "--no-progress") == 0
    assert run_train(*options, "--steps", steps) == 0
    assert_same_run(run, runs / "0002-dcgan64")
    assert not list(run.rglob("*.tmp"))


def test_killed_before_the_first_checkpoint(options, runs, capsys):
    run_train(*options, "--steps", 4)
    whole = content(runs / "0001-dcgan64")
    for path in (runs / "0001-dcgan64" / "checkpoints").iterdir():
        path.unlink()
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    assert "going on from step 0" in capsys.readouterr().out
    assert content(runs / "0001-dcgan64") == whole


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_checkpoint_is_never_picked_up(options, runs, capsys, damage):
    run_train(*options, "--steps", STEPS)
    whole = content(runs / "0001-dcgan64")
    newest = runs / "0001-dcgan64/checkpoints" / f"{STEPS:06d}.h5"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes({"cut": bytes(data[:-100]), "flipped": bytes(data), "empty": b""}[damage])
    capsys.readouterr()
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    out = capsys.readouterr().out.splitlines()
    assert str(newest) in out[0] and out[0].endswith("going back to the one before")
    assert any("going on from step 12 " in line for line in out)
    assert content(runs / "0001-dcgan64") == whole


def test_damaged_checkpoints_do_not_push_out_good_ones(options, runs):
    """--keep 1 with a damaged newer file: the good one stays until a newer good one is there."""
    run = runs / "0001-dcgan64"
    run_train(*options, "--steps", STEPS)
    for path in RunDir(run).saved():
        if int(path.stem) > 3:
            path.write_bytes(b"damaged")
    run_train("--resume", run, "--keep", 1, "--steps", 8, "--no-progress")
    good = [path.stem for path in RunDir(run).saved() if path.stat().st_size > 100]
    assert good == ["000008"]


def test_all_checkpoints_damaged(options, runs, capsys):
    run_train(*options, "--steps", 3)
    (runs / "0001-dcgan64/checkpoints/000003.h5").write_bytes(b"damaged")
    assert run_train("--resume", runs / "0001-dcgan64") == 2
    assert capsys.readouterr().err.endswith("none of its checkpoints is complete\n")


def test_keep(options, runs):
    run_train(*options, "--steps", STEPS, "--keep", 2)
    assert [path.stem for path in RunDir(runs / "0001-dcgan64").saved()] == ["000014", "000012"]


def test_an_older_checkpoint_goes_on_in_a_new_folder(options, runs):
    run_train(*options, "--steps", STEPS)
    whole = content(runs / "0001-dcgan64")
    older = runs / "0001-dcgan64/checkpoints/000006.h5"
    assert run_train("--resume", older, "--no-progress") == 0
    assert content(runs / "0001-dcgan64") == whole
    branch = content(runs / "0002-dcgan64")
    assert all(branch[name] == whole[name] for name in branch)
    assert {name for name in whole if name not in branch} == {
        "samples/000001.png", "samples/000004.png", "checkpoints/000003.h5"
    }  # fmt: skip


def test_the_newest_checkpoint_file_goes_on_in_place(options, runs):
    run_train(*options, "--steps", 3)
    run_train("--resume", runs / "0001-dcgan64/checkpoints/000003.h5", "--steps", 6, "--no-progress")
    assert [path.stem for path in RunDir(runs / "0001-dcgan64").saved()] == ["000006", "000003"]


def test_a_checkpoint_alone_is_enough(options, runs, tmp_path):
    run_train(*options, "--steps", 6)
    (tmp_path / "elsewhere.h5").write_bytes((runs / "0001-dcgan64/checkpoints/000003.h5").read_bytes())
    assert run_train("--resume", tmp_path / "elsewhere.h5", "--no-progress") == 0
    a, b = (arrays(runs / name / "checkpoints/000006.h5") for name in ("0001-dcgan64", "0002-dcgan64"))
    assert a == b


def test_a_log_longer_than_the_checkpoint_is_cut(options, runs):
    """What a kill leaves: lines behind the checkpoint, the last one torn."""
    run_train(*options, "--steps", 6)
    whole = content(runs / "0001-dcgan64")
    with open(runs / "0001-dcgan64/log.jsonl", "a") as file:
        file.write('{"step": 7, "epoch": 4}\n{"step": 8, "ep')
    (runs / "0001-dcgan64/checkpoints/000006.h5").unlink()
    run_train("--resume", runs / "0001-dcgan64", "--no-progress")
    assert content(runs / "0001-dcgan64") == whole


def test_what_a_resume_asked_for_outlives_a_kill(options, runs):
    """Resumed with more steps and killed before its next checkpoint: the next resume still wants those steps."""
    run_train(*options, "--steps", 3)
    config = runs / "0001-dcgan64/config.json"
    config.write_text(config.read_text().replace('"steps": 3', '"steps": 6'))
    assert run_train("--resume", runs / "0001-dcgan64", "--no-progress") == 0
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000006"


def test_other_data_is_said(options, runs, capsys, tmp_path):
    run_train(*options, "--steps", 3)
    write_pictures(tmp_path / "other", 9)
    run_train("--resume", runs / "0001-dcgan64", "--data", tmp_path / "other", "--steps", 5, "--no-progress")
    assert "the data is not what the run began with" in capsys.readouterr().out
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000005"


def test_epochs_count_from_the_beginning(options, runs):
    """--epochs N is N in total; asking for epochs takes back a limit in steps."""
    run_train(*options, "--steps", 3)
    run_train("--resume", runs / "0001-dcgan64", "--epochs", 4, "--no-progress")
    assert RunDir(runs / "0001-dcgan64").saved()[0].stem == "000008"  # 20 // 8 batches in each of 4 epochs
