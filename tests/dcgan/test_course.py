"""A resumed run may change how it goes on; that is said and noted in run.json. And what run.json holds besides."""

import json
import time

import numpy as np
import pytest

from dcgan import trainer
from dcgan.run import log
from dcgan.run.folder import RunDir
from gpunet import __version__, checkpoint
from running import content, run_train

CHANGES = {
    "--lr 1e-4": "--lr 0.0002 -> 0.0001",
    "--beta1 0.9": "--beta1 0.5 -> 0.9",
    "--batch-size 4": "--batch-size 8 -> 4",
    "--flip": "--flip False -> True",
    "--fake-target 0.1": "--fake-target 0.0 -> 0.1",
    "--l2 0.01": "--l2 0.0 -> 0.01",
    "--lr-schedule linear": "--lr-schedule constant -> linear",
    "--ratio 1:2 --fresh-z": "--fresh-z False -> True",
    "--samples 9": "--samples 6 -> 9",
    "--samples 200": "--samples 6 -> 200",
    "--ema 0": "--ema 0.999 -> 0.0",
    "--lr-d 1e-3": "--lr-d None -> 0.001",
    "--augment cutout,color": "--augment None -> color,cutout",
    "--instance-noise 0.1": "--instance-noise 0.0 -> 0.1",
    "--clip-grad 1": "--clip-grad None -> 1.0",
    "--accumulate 2": "--accumulate 1 -> 2",
}


@pytest.fixture
def begun(often, run):
    """A run of three steps."""
    assert run_train(*often, "--steps 3") == 0
    return run


def record(run):
    """What run.json holds."""
    return json.loads((run / "run.json").read_text())


@pytest.mark.parametrize("options", CHANGES)
@pytest.mark.usefixtures("numbers_for_plot")
def test_a_resume_may_change_the_course(begun, options, capsys):
    capsys.readouterr()
    assert run_train("--resume", begun, "--steps 6 --no-progress", options) == 0
    note = f"{CHANGES[options]}; from step 3 on not what the uninterrupted run would have done"
    assert note in capsys.readouterr().out
    assert CHANGES[options] in record(begun)["starts"][1]["changed"]
    assert len(log.read(begun / "log.jsonl")) == 6
    assert run_train("--resume", begun, "--steps 8 --no-progress") == 0  # what was changed stays, and is no new change
    assert "changed" not in record(begun)["starts"][2] and "changed: " not in capsys.readouterr().out


def test_a_changed_rate_is_used(begun):
    assert run_train("--resume", begun, "--steps 6 --lr 0.125 --no-progress") == 0
    assert checkpoint.load(begun / "checkpoints/000006.h5")["gan"]["adam_D"]["lr"] == 0.125


def test_more_samples_begin_with_those_before(begun):
    before = checkpoint.load(begun / "checkpoints/000003.h5")["fixed_z"]
    assert run_train("--resume", begun, "--steps 6 --samples 200 --no-progress") == 0
    after = checkpoint.load(begun / "checkpoints/000006.h5")["fixed_z"]
    assert len(after) == 256 and np.array_equal(after[: len(before)], before)


def test_run_json(begun, capsys):
    assert run_train("--resume", begun, "--steps 5 --no-progress") == 0
    found = record(begun)
    assert found["data"].startswith("20 images 16x16x3 from") and found["classes"] is None and found["last_step"] == 5
    first, second = found["starts"]
    assert (first["from_step"], first["at_step"], second["from_step"], second["at_step"]) == (0, 3, 3, 5)
    expected = {"version": __version__, "device": "cpu", "implementation": "reference", "precision": "fp32"}
    assert expected.items() <= first.items() and first["state"] == second["state"] == "finished"
    assert {"commit", "command", "machine", "started", "ended"} <= set(first)
    assert first["machine"]["cores"] >= 1 and first["machine"]["cpu"] and first["machine"]["gpu"] is None
    assert first["started"] <= first["ended"] <= second["started"]


def test_a_damaged_run_json_is_no_obstacle(begun):
    for text in (b"\xff", b"[", b"[]", b'{"starts": 5, "last_step": "x"}'):
        (begun / "run.json").write_bytes(text)
        assert run_train("--resume", begun, "--no-progress") == 0
        assert len(record(begun)["starts"]) == 1


@pytest.fixture
def quick(monkeypatch):
    """The first minute of a run ends after its fourth step."""
    steps = iter(range(10**6))
    monkeypatch.setattr(trainer.Early, "due", lambda self: self.at < np.inf and next(steps) >= 3)


@pytest.mark.usefixtures("numbers_for_plot", "quick")
def test_an_early_checkpoint_goes_with_the_next(tiny, runs, monkeypatch):
    """It is there until the next one, and the run that goes to its end is the same with and without it."""
    seen, save = [], checkpoint.save

    def noting(path, state):
        save(path, state)
        seen.append(sorted(file.stem for file in path.parent.glob("*.h5")))

    monkeypatch.setattr(checkpoint, "save", noting)
    options = "--steps 30 --checkpoint-every 10 --keep 2"
    assert run_train(*tiny, options) == run_train(*tiny, options, "--checkpoint-minutes 0") == 0
    assert seen[:2] == [["000004"], ["000004", "000010"]]
    assert [path.stem for path in RunDir(runs / "0001-dcgan64").saved()] == ["000030", "000020"]
    a, b = (content(runs / name) for name in ("0001-dcgan64", "0002-dcgan64"))
    assert set(a) == set(b) and [name for name in a if a[name] != b[name]] == ["config.json"]


def test_the_first_minute():
    assert not trainer.Early(0).due() and not trainer.Early(1).due()
    early = trainer.Early(0.0001)
    time.sleep(0.02)
    assert early.due()
