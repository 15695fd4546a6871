"""--measure-every: it changes nothing in the run, logs its numbers, keeps the best, and survives a resume."""

import json
import shutil

import numpy as np
import pytest

from dcgan.measuring import quality
from dcgan.measuring.features import Features
from dcgan.run import log
from dcgan.run.folder import RunDir
from gpunet import checkpoint
from running import content, run_generate, run_train

NUMBERS = {"frechet", "kid", "precision", "recall", "density", "coverage"}


@pytest.fixture
def measured(often, monkeypatch):
    """The options of a tiny training that measures every 2 steps; the features are 8 means of each picture."""

    def extract(images, labels):
        return images.reshape(len(images), 8, -1).mean(axis=2, dtype="float64").astype("float32")

    monkeypatch.setattr(quality, "lasting", lambda *_: Features(extract, {"sha256": "eight means"}))
    return [*often, "--measure-every 2 --measure-count 20"]


def series(run):
    return {record["step"]: record["frechet"] for record in log.read(run / "log.jsonl") if "frechet" in record}


def without_numbers(run):
    """What a run left, but for the numbers, best.h5 and what checkpoints say of it."""
    found = {name: value for name, value in content(run).items() if name not in ("config.json", "checkpoints/best.h5")}
    lines = [json.loads(line) for line in found.pop("log.jsonl").splitlines()]
    found["log"] = [{key: value for key, value in line.items() if key not in NUMBERS} for line in lines]
    for value in found.values():
        if isinstance(value, dict):
            value.pop("best", None)
    return found


def test_measuring_changes_nothing_in_the_run(measured, often, runs, numbers_for_plot):
    assert run_train(*measured, "--steps 6") == 0 and run_train(*often, "--steps 6") == 0
    first, second = runs / "0001-dcgan64", runs / "0002-dcgan64"
    found, plain = without_numbers(first), without_numbers(second)
    for one in (found, plain):
        one.pop("loss.png")
    assert found == plain and not (second / "checkpoints/best.h5").exists() and not series(second)
    records = [record for record in log.read(first / "log.jsonl") if record.keys() & NUMBERS]
    assert [record["step"] for record in records] == [2, 4, 6] and all(record.keys() > NUMBERS for record in records)


def test_the_best_is_kept_and_taken(measured, runs, run, tmp_path, capsys):
    assert run_train(*measured, "--steps 7 --keep 1") == 0
    found, kept = series(run), checkpoint.load(run / "checkpoints/best.h5")
    step = min(found, key=found.get)
    assert kept["step"] == step and np.float32(kept["best"]["frechet"]) == np.float32(found[step])
    assert json.loads((run / "run.json").read_text())["best"] == kept["best"]
    assert [path.stem for path in RunDir(run).saved()] == ["000007"]  # best.h5 is never pruned, nor the newest
    assert run_generate(run / "checkpoints/best.h5", "--count 2 --device cpu --out", tmp_path / "a.png") == 0
    assert run_train("--resume", run / "checkpoints/best.h5", "--steps 8 --no-progress --out", runs) == 0
    other = runs / "0002-dcgan64"
    assert series(other) | found == series(other) and (other / "checkpoints/best.h5").exists()


@pytest.mark.usefixtures("numbers_for_plot")
@pytest.mark.parametrize("stop", [3, 4, 5])
def test_two_halves_are_the_whole(measured, runs, stop):
    assert run_train(*measured, "--steps 8") == 0
    assert run_train(*measured, "--steps", stop) == 0
    assert run_train("--resume", runs / "0002-dcgan64", "--steps 8 --no-progress") == 0
    whole, halves = content(runs / "0001-dcgan64"), content(runs / "0002-dcgan64")
    extra = {f"checkpoints/{stop:06d}.h5", f"samples/{stop:06d}.png"}
    assert {name for name in whole if halves.get(name) != whole[name]} - {"config.json", "loss.png"} == set()
    assert halves.keys() - whole.keys() <= extra


TOGETHER = (
    "--loss wgan-gp --r1 1 --r1-every 3 --norm-d instance --spectral-norm --augment color,translation,cutout --flip "
    "--instance-noise 0.1 --clip-grad 1 --accumulate 2 --lr-schedule linear --on-collapse rollback --checkpoint-every 4"
)


@pytest.mark.usefixtures("numbers_for_plot")
def test_a_run_with_many_options_at_once_goes_on_bit_for_bit(measured, runs):
    """From the checkpoint of step 8, in a new folder: the log, all arrays and the bytes of best.h5 are the same."""
    assert run_train(*measured, TOGETHER, "--steps 16") == 0
    whole, branch = runs / "0001-dcgan64", runs / "0002-dcgan64"
    assert run_train("--resume", whole / "checkpoints/000008.h5", "--no-progress") == 0
    found, expected = content(branch), content(whole)
    assert [name for name in found if found[name] != expected[name]] == []
    assert {"log.jsonl", "checkpoints/000012.h5", "checkpoints/000016.h5", "checkpoints/best.h5"} <= found.keys()
    assert set(series(branch)) == set(range(2, 17, 2)) and len(log.read(branch / "log.jsonl")) == 16
    best = (run / "checkpoints/best.h5" for run in (whole, branch))
    assert next(best).read_bytes() == next(best).read_bytes()


@pytest.mark.usefixtures("numbers_for_plot")
def test_a_killed_run_comes_to_the_same_best(measured, runs):
    """Killed at step 8, its newest checkpoint is that of step 3: best.h5 may be of a later step."""
    assert run_train(*measured, "--steps 8") == 0
    shutil.copytree(runs / "0001-dcgan64", runs / "0002-dcgan64")
    for step in (6, 8):
        (runs / f"0002-dcgan64/checkpoints/{step:06d}.h5").unlink()
    assert run_train("--resume", runs / "0002-dcgan64", "--steps 8 --no-progress") == 0
    whole, again = content(runs / "0001-dcgan64"), content(runs / "0002-dcgan64")
    assert {name for name in whole if again.get(name) != whole[name]} - {"config.json"} == set()


def test_after_a_change_of_course_a_later_best_has_to_be_beaten(measured, run):
    assert run_train(*measured, "--steps 8") == 0
    best = checkpoint.load(run / "checkpoints/best.h5")["best"]
    for step in (6, 8):
        (run / f"checkpoints/{step:06d}.h5").unlink()
    assert run_train("--resume", run, "--steps 8 --lr 1e-9 --no-progress") == 0
    now = checkpoint.load(run / "checkpoints/best.h5")["best"]
    assert now["frechet"] <= best["frechet"]
    assert json.loads((run / "run.json").read_text())["best"] == now


def test_other_features_begin_anew(measured, run, monkeypatch):
    assert run_train(*measured, "--steps 4") == 0
    first = checkpoint.load(run / "checkpoints/best.h5")["best"]
    assert run_train("--resume", run, "--steps 6 --measure-count 10 --no-progress") == 0
    now = checkpoint.load(run / "checkpoints/best.h5")["best"]
    assert (first["count"], now["count"], now["step"]) == (20, 10, 6)


def test_a_run_without_measuring_keeps_what_it_was(measured, run):
    """Its checkpoints still say what the best was."""
    assert run_train(*measured, "--steps 4") == 0
    before = checkpoint.load(run / "checkpoints/best.h5")["best"]
    assert run_train("--resume", run, "--steps 6 --measure-every 100 --no-progress") == 0
    assert checkpoint.load(run / "checkpoints/000006.h5")["best"] == before


@pytest.mark.parametrize(
    "options, line",
    [
        ("--measure-features discriminator", "which changes with every step, expected classifier or FILE.onnx"),
        ("--measure-features none.onnx", "none.onnx"),
        ("--measure-count 5", "--measure-count: got '5', expected a whole number of at least 6"),
        ("--train-size 5 --batch-size 4 --measure-count 6", "got 5 pictures to measure with, expected at least 6"),
    ],
)
def test_mistakes_are_told_before_a_run_folder_is_made(often, runs, options, line, capsys):
    assert run_train(*often, "--steps 2 --measure-every 1", options) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and line in error and not runs.exists()
