"""The command lines: every mistake ends in one clear line on stderr and exit status 2."""

import json
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

from dcgan import cli, train
from dcgan.__main__ import COMMANDS
from gpunet import __version__, backend, checkpoint
from running import (
    ROOT,
    TINY,
    run_generate,
    run_train,
    write_pictures,
)

TRAIN_MISTAKES = {
    "--batch-size 0": "--batch-size: got '0', expected a whole number of at least 1",
    "--batch-size many": "--batch-size: got 'many', expected a whole number of at least 1",
    "--batch-size 2.5": "--batch-size: got '2.5', expected",
    "--lr 0": "--lr: got '0', expected a number in (0, inf)",
    "--lr nan": "--lr: got 'nan', expected a number",
    "--lr inf": "--lr: got 'inf', expected a number",
    "--beta1 1": "--beta1: got '1', expected a number in [0, 1)",
    "--seed -1": "--seed: got '-1', expected a whole number of at least 0",
    "--image-size big": "--image-size: size 'big': expected",
    "--image-size 100": "the nearest that works is --image-size 96x96",
    "--image-size 64x": "--image-size: ",
    "--device gpu": "--device: got 'gpu', expected one of auto, cpu, cuda",
    "--implementation fast": "--implementation: got 'fast', expected one of kernels, reference",
    "--preset alexnet": "--preset: got 'alexnet', expected one of dcgan64",
    "--preset dcgan46": "resnet: did you mean dcgan64?",
    "--preset Carpedm-20": "resnet: did you mean carpedm20?",
    "--recipe celba": "expected one of celeba, celeba28, anime96, mnist, lsun: did you mean celeba?",
    "--device CPU": "expected one of auto, cpu, cuda: did you mean cpu?",
    "--lr-schedule liner": "did you mean linear?",
    "--z-dist cauchy": "--z-dist: got 'cauchy', expected one of normal, uniform, unsigned",
    "--ratio 1": "--ratio: got '1', expected two whole numbers",
    "--ratio 0:1": "--ratio: got '0:1', expected",
    "--real-target 1.1": "--real-target: got '1.1', expected a number in (0, 1]",
    "--keep 0": "--keep: got '0', expected a whole number of at least 1",
    "--channels 2": "--channels: got '2', expected 1 (grey) or 3 (RGB)",
    "--channels 0": "--channels: got '0', expected 1 (grey) or 3 (RGB)",
    "--pattern *.png": "--pattern: the built-in faces have neither names nor folders",
    "--labels folder": "--labels folder: the built-in faces have neither names nor folders",
    "--epoch 3": "unrecognized arguments: --epoch 3",
    "--lr": "argument --lr: expected one argument",
    "--data nowhere": "no such file or folder: 'nowhere'",
    "--data empty": "empty",
    "--data few --batch-size 64": "fewer images than one batch",
    "--out file --steps 1": "--out: cannot make a run folder in file",
    "--resume nowhere": "no such run folder or checkpoint: nowhere",
    "--resume empty": "empty is no run folder: expected config.json and checkpoints/ in it",
    "--resume file": "file is no checkpoint",
    "--resume last.h5": "last.h5 is at step 1 of 1: ask for more --steps or --epochs",
    "--resume run --width 8": "--width: got 8, the run has 4; what a resume may change: --data --epochs",
    "--resume run --init-from last.h5": "--init-from: begins a new run: leave --resume out",
    "--labels kind": "list_attr_celeba.txt:Smiling, or :COLUMN of a .parquet or .arrow file",
    "--resume foreign.h5": "foreign.h5 is no checkpoint of a dcgan run",
    "--resume misfit.h5 --steps 9": "misfit.h5 does not fit the network of its own config: state dict",
    "--resume newer --steps 9": "unknown option hue; was it written by a newer version?",
}


GENERATE_MISTAKES = {
    "": "the following arguments are required",
    "run": "the following arguments are required: --out",
    "run --out x.png --count 0": "--count: got '0', expected a whole number of at least 1",
    "run --out x.png --seed x": "--seed: got 'x', expected",
    "run --out x.jpg": "--out: got 'x.jpg', expected a .png file or a folder",
    "run --out file": "--out: file is there already",
    "run --out x.png --device tpu": "--device: got 'tpu', expected one of",
    "nowhere --out x.png": "no such run folder or checkpoint: nowhere",
    "empty --out x.png": "empty is no run folder",
    "file --out x.png": "file is no checkpoint (.h5), and none of the files that hold a run: pth, safetensors",
    "started --out x.png": "started has no checkpoint yet",
    "misfit.h5 --out x.png": "misfit.h5 does not fit the network of its own config",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a trained run and with all that can be wrong."""
    place = tmp_path_factory.mktemp("place")
    data = write_pictures(place / "few")
    with backend.use(backend.implementation()):
        assert run_train(*TINY, "--data", data, "--out", place / "runs", "--steps", 1) == 0
    run = (place / "runs/0001-dcgan64").rename(place / "run")
    (place / "empty").mkdir()
    (place / "file").write_text("hello")
    (place / "newer").mkdir()
    (place / "newer/config.json").write_text('{"hue": 1}')
    (place / "started").mkdir()
    (place / "started/config.json").write_text((run / "config.json").read_text())
    state = checkpoint.load(run / "checkpoints/000001.h5")
    checkpoint.save(place / "last.h5", state)
    checkpoint.save(place / "foreign.h5", {"weights": np.zeros(3)})
    del state["gan"]["G"]["0.weight"]
    checkpoint.save(place / "misfit.h5", state)
    return place


@pytest.fixture(autouse=True)
def inside(place, monkeypatch):
    monkeypatch.chdir(place)


@pytest.mark.parametrize("arguments", TRAIN_MISTAKES)
def test_mistakes_of_train(arguments, capsys):
    resumed = "--resume" in arguments
    assert run_train(*([] if resumed else TINY), *arguments.split()) == 2
    check_line(capsys.readouterr().err, TRAIN_MISTAKES[arguments])


@pytest.mark.parametrize("arguments", GENERATE_MISTAKES)
def test_mistakes_of_generate(arguments, capsys, place):
    assert run_generate(*arguments.split()) == 2
    check_line(capsys.readouterr().err, GENERATE_MISTAKES[arguments])
    assert not (place / "x.png").exists()


def check_line(errors, expected):
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert expected in errors


def test_mistakes_leave_no_run_folder(place):
    assert list((place / "runs").iterdir()) == []


def test_an_empty_path_is_a_mistake(capsys):
    assert run_train("--data", "") == 2
    check_line(capsys.readouterr().err, "--data: got '', expected a name or a path")


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("--batch_size 8", "--batch-size"),
        ("--sample-evry=3", "--sample-every"),
        ("--epoch 3", "--epochs"),
        ("-lr 1e-4", "--lr"),
        ("--ngf 32", "--width"),
        ("--imageSize 64", "--image-size"),
        ("--image 64", "--image-size"),
        ("--learning_rate=1", "--lr"),
        ("--manualSeed 1", "--seed"),
        ("--dry_run", "--dry-run"),
        ("--noflip", "--no-flip"),
        ("few", "--data few"),
    ],
)
def test_unknown_options_name_the_nearest(typed, meant, capsys):
    assert run_train(*typed.split()) == 2
    check_line(capsys.readouterr().err, f"unrecognized arguments: {typed}: did you mean {meant}? (--help")


@pytest.mark.parametrize("command", ["generate", "prepare", "summary", "compare", "gallery", "plot", "runs"])
def test_every_command_names_the_nearest(command, capsys):
    needed = {"generate": ["x", "--out", "x"], "prepare": ["--data", "x", "--out", "x.h5"], "plot": ["x"]}
    assert import_module(f"dcgan.{command}").main([*needed.get(command, []), "--verson"]) == 2
    check_line(capsys.readouterr().err, "did you mean --version?")


def test_other_names_of_options_are_ours():
    options = train.parser()._option_string_actions
    assert set(cli.ELSEWHERE.values()) <= options.keys() and not cli.ELSEWHERE.keys() & options.keys()


def test_an_option_like_no_other_names_none(capsys):
    assert run_train("--xyzzy") == 2
    errors = capsys.readouterr().err
    check_line(errors, "unrecognized arguments: --xyzzy (--help lists the options)")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_version(name, capsys):
    with pytest.raises(SystemExit) as ended:
        import_module(f"dcgan.{name}").main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"python -m dcgan.{name} {__version__}\n"


def test_a_dry_run_shows_what_would_be_used(place, capsys):
    options = ["--data", "few", "--out", "runs"]
    assert run_train(*TINY, *options, "--dry-run") == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["device"], printed["implementation"], printed["precision"]) == ("cpu", "reference", "fp32")
    assert run_train("--dry-run --device auto") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["device"] in ("cpu", "cuda") and printed["implementation"] and printed["precision"]
    assert run_train("--dry-run --data nowhere") == 2
    check_line(capsys.readouterr().err, "no such file or folder: 'nowhere'")


def test_a_process_shows_no_traceback(place):
    command = [sys.executable, "-m", "dcgan.train", "--data", "nowhere"]
    ended = subprocess.run(command, cwd=place, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert ended.returncode == 2
    check_line(ended.stderr, "no such file or folder")
