"""--config FILE: the command line wins over the file, the file over the preset; mistakes name the file."""

import json

import pytest

from dcgan.config import Config
from dcgan.presets import PRESETS
from running import run_train

LINES = """
# a comment, and an empty line

--preset carpedm20
--batch-size 32
--lr=1e-3
  image_size = 64x48
ratio=1:3
pattern = "* a.jpg"
--flip
--no-graph
tensorboard = false
real-grids = True
lr = 0.5
"""

MISTAKES = {  # content: what the line on stderr says
    '{"hue": 1}': "options: unknown option hue",
    '{"resume": "runs/0001"}': "options: unknown option resume",
    '{"lr": "fast"}': "options: --lr: got 'fast', expected a number in (0, inf)",
    '{"lr": null}': "options: --lr: got 'None', expected a number",
    '{"flip": "yes"}': "options: --flip: got 'yes', expected true or false",
    '{"preset": "resnet"}': "options: --preset: got 'resnet', expected one of dcgan64",
    '{"padding": "symmetric"}': "options: --padding: the networks of dcgan64 leave no such choice, those of",
    '{"lr": 1': "options is no JSON",
    "[1]": "options: got a list, expected an object of options",
    "[" * 100_000: "options is no JSON",
    "--lr 1e-3\n--hue 1": "options, line 2: unknown option hue",
    "--lr 0": "options, line 1: --lr: got '0', expected a number in (0, inf)",
    "--lr": "options, line 1: --lr: expected a value",
    "lr =": "options, line 1: --lr: expected a value",
    "flip = yes": "options, line 1: --flip: got 'yes', expected true or false",
    "--no-lr": "options, line 1: unknown option no_lr",
    "--no-flip true": "options, line 1: unknown option no_flip",
    "preset = resnet": "options, line 1: --preset: got 'resnet', expected one of dcgan64",
    "preset = dcgan64\npadding = symmetric": "options: --padding: the networks of dcgan64 leave no such choice",
    "--lr 1e-3 --epochs 3": "options, line 1: --lr: got '1e-3 --epochs 3', expected a number",
    "batch size = 3": "options, line 1: unknown option batch",
}


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def dry(capsys, *arguments):
    """The options that a command line comes to."""
    assert run_train("--dry-run", *arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_lines(tmp_path, capsys):
    (tmp_path / "options").write_text(LINES)
    found = dry(capsys, "--config options")
    expected = dict(preset="carpedm20", batch_size=32, lr=0.5, image_size=[64, 48], ratio=[1, 3], pattern="* a.jpg")
    assert expected.items() <= found.items()
    assert (found["flip"], found["graph"], found["tensorboard"], found["real_grids"]) == (True, False, False, True)
    assert (found["z_dist"], found["bias"]) == ("uniform", True)  # the preset's


@pytest.mark.parametrize(
    "text", ['{"preset": "paper", "batch_size": 7, "epochs": 3}', "preset=paper\nbatch_size 7\nepochs 3"]
)
def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(tmp_path, capsys, text):
    (tmp_path / "options").write_text(text)
    found = dry(capsys, "--config options", "--epochs 5")
    assert (found["preset"], found["batch_size"], found["epochs"]) == ("paper", 7, 5)
    found = dry(capsys, "--config options", "--preset carpedm20 --batch-size 9")
    assert (found["preset"], found["batch_size"], found["epochs"], found["z_dist"]) == ("carpedm20", 9, 3, "uniform")


def test_recipes(tmp_path, capsys):
    """One of the file gives way to the file's own options, one of the command line to no option of the file."""
    (tmp_path / "options").write_text("recipe = celeba\nimage_size = 32")
    found = dry(capsys, "--config options")
    assert (found["crop"], found["image_size"]) == ([108, 108], [32, 32])
    found = dry(capsys, "--config options", "--recipe anime96 --preset carpedm20")
    assert (found["recipe"], found["image_size"]) == ("anime96", [96, 96])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_json_works_as_it_is(tmp_path, capsys, preset):
    config = Config.from_options({"preset": preset, "channels": 1, "steps": 7, "lr": 0.25})
    (tmp_path / "config.json").write_text(config.to_json())
    assert dry(capsys, "--config config.json") == json.loads(config.to_json())
    assert dry(capsys, "--config config.json", "--epochs 3") == json.loads(config.to_json()) | {
        "epochs": 3,
        "steps": None,
    }


def test_a_run_is_repeated_by_its_config_json(tiny, run, runs):
    assert run_train(*tiny, "--steps 2") == 0
    assert run_train("--config", run / "config.json", "--no-progress") == 0
    for name in ("log.jsonl", "config.json", "samples/000002.png"):
        assert (runs / "0002-dcgan64" / name).read_bytes() == (run / name).read_bytes()


def test_a_resumed_run_may_read_it_too(tiny, run, tmp_path, capsys):
    run_train(*tiny, "--steps 2")
    (tmp_path / "more").write_text("steps = 3\nsample_every = 1")
    assert run_train("--resume", run, "--config", tmp_path / "more", "--no-progress") == 0
    assert (run / "samples/000003.png").exists()
    assert run_train("--resume", run, "--config", run / "config.json", "--steps 4 --no-progress") == 0
    (tmp_path / "more").write_text("lr = 1")
    assert run_train("--resume", run, "--config", tmp_path / "more", "--no-progress") == 2
    assert "--lr: got 1.0, the run has 0.0002" in capsys.readouterr().err


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: text[:30])
def test_mistakes(tmp_path, capsys, text):
    (tmp_path / "options").write_text(text)
    assert run_train("--config options --dry-run") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and MISTAKES[text] in error


@pytest.mark.parametrize(
    "name, reason",
    [("nowhere", "No such file or directory"), ("folder", "Is a directory"), ("picture", "it is no text")],
)
def test_files_that_cannot_be_read(tmp_path, capsys, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    assert run_train("--config", name, "--dry-run") == 2
    assert capsys.readouterr().err == f"error: --config: cannot read {name}: {reason}\n"
