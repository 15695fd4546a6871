"""--config FILE: the command line wins over the file, the file over the preset; mistakes name the file."""

import json

import pytest

from dcgan.presets import PRESETS, config_of
from running import run_train

LINES = """
# a comment, and an empty line

preset = "carpedm20"
batch_size = 32
lr=1e-3
  image_size = "64x48"
ratio="1:3"
pattern = "* a.jpg"
crop = [108,
        98]
flip = true
graph = false  # a comment behind an option
tensorboard = false
real-grids = true
"""

MISTAKES = {  # content: what the line on stderr says
    '{"hue": 1}': "options: unknown option hue",
    '{"resume": "runs/0001"}': "options: unknown option resume",
    '{"lr": "fast"}': "options: --lr: got 'fast', expected a number in (0, inf)",
    '{"lr": null}': "options: --lr: got 'None', expected a number",
    '{"flip": "yes"}': "options: --flip: got 'yes', expected true or false",
    '{"preset": "alexnet"}': "options: --preset: got 'alexnet', expected one of dcgan64",
    '{"padding": "symmetric"}': "options: --padding: the networks of dcgan64 leave no such choice, those of",
    '{"lr": 1': "options is no JSON",
    "[1]": "options: got a list, expected an object of options",
    "[" * 100_000: "options is no JSON",
    "lr = 1e-3\nhue = 1": "options, line 2: unknown option hue",
    "lr = 0": "options, line 1: --lr: got '0', expected a number in (0, inf)",
    "\nlr = nan": "options, line 2: --lr: got 'nan', expected a number in (0, inf)",
    "lr =": "options, line 1: --lr: expected a value",
    'flip = "yes"': "options, line 1: --flip: got 'yes', expected true or false",
    "flip = 1": "options, line 1: --flip: got '1', expected true or false",
    "no_flip = true": "options, line 1: unknown option no_flip",
    "seed = 1.5": "options, line 1: --seed: got '1.5', expected a whole number",
    "crop = [1, 2, 3]": "options, line 1: --crop: size '1x2x3': expected",
    'preset = "alexnet"': "options, line 1: --preset: got 'alexnet', expected one of dcgan64",
    'preset = "dcgan64"\npadding = "symmetric"': "options: --padding: the networks of dcgan64 leave no such choice",
    "lr = 1\n\nlr = 2": "options, line 3: got 'lr = 2', expected TOML such as lr = 1e-4 (Cannot overwrite a value",
    "batch_size = 1\nbatch-size = 2": "options, line 2: batch_size is there twice",
    "lr = 1e-3\n[train]\nseed = 1": "options, line 2: got a table, '[train]', expected lines such as lr = 1e-4",
    "[train]\nlr = 1e-3": "options, line 1: got a table, '[train]', expected lines",
    "lr.adam = 1": "options, line 1: got a table, 'lr.adam = 1', expected lines",
    "seed = " + "[" * 100_000: "options",
    "seed = 1\n= 3\n": "options, line 2: got '= 3', expected TOML such as lr = 1e-4",
}

# Lines as one would type them on the command line, which older versions took: what they are in TOML.
TYPED = {
    "--preset carpedm20": 'preset = "carpedm20"',
    "preset = carpedm20": 'preset = "carpedm20"',
    "--batch-size=32": "batch_size = 32",
    "--batch-size 32": "batch_size = 32",
    "batch_size 7": "batch_size = 7",
    "--lr=1e-3": "lr = 0.001",
    "lr = .5": "lr = 0.5",
    "image_size = 64x48": 'image_size = "64x48"',
    "ratio=1:3": 'ratio = "1:3"',
    "--flip": "flip = true",
    "--no-graph": "graph = false",
    "real-grids = True": "real_grids = true",
    "--sample-every 1,5ep": 'sample_every = "1,5ep"',
    "--pattern '* a.jpg'": 'pattern = "* a.jpg"',
}

TYPED_MISTAKES = {
    "--lr 1e-3\n--hue 1": "options, line 1: got '--lr 1e-3', expected TOML: write lr = 0.001",
    "--hue 1": "options, line 1: unknown option hue",
    "--lr 0": "options, line 1: --lr: got '0', expected a number in (0, inf)",
    "--lr": "options, line 1: --lr: expected a value",
    "flip = yes": "options, line 1: --flip: got 'yes', expected true or false",
    "--no-lr": "options, line 1: unknown option no_lr",
    "--no-flip true": "options, line 1: unknown option no_flip",
    "preset = alexnet": "options, line 1: --preset: got 'alexnet', expected one of dcgan64",
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


@pytest.mark.parametrize("start, newline", [("", "\n"), ("\ufeff", "\r\n")], ids=["plain", "of Windows"])
def test_lines(tmp_path, capsys, start, newline):
    (tmp_path / "options").write_text(start + LINES, encoding="utf-8", newline=newline)
    found = dry(capsys, "--config options")
    expected = dict(preset="carpedm20", batch_size=32, lr=1e-3, image_size=[64, 48], ratio=[1, 3], pattern="* a.jpg")
    assert expected.items() <= found.items() and found["crop"] == [108, 98]
    assert (found["flip"], found["graph"], found["tensorboard"], found["real_grids"]) == (True, False, False, True)
    assert (found["z_dist"], found["bias"]) == ("uniform", True)  # the preset's


@pytest.mark.parametrize(
    "text", ['{"preset": "paper", "batch_size": 7, "epochs": 3}', "preset='paper'\nbatch-size = 7\nepochs = 3"]
)
def test_the_command_line_wins_over_the_file_and_the_file_over_the_preset(tmp_path, capsys, text):
    (tmp_path / "options").write_text(text)
    found = dry(capsys, "--config options", "--epochs 5")
    assert (found["preset"], found["batch_size"], found["epochs"]) == ("paper", 7, 5)
    found = dry(capsys, "--config options", "--preset carpedm20 --batch-size 9")
    assert (found["preset"], found["batch_size"], found["epochs"], found["z_dist"]) == ("carpedm20", 9, 3, "uniform")


def test_recipes(tmp_path, capsys):
    """One of the file gives way to the file's own options, one of the command line to no option of the file."""
    (tmp_path / "options").write_text("recipe = 'celeba'\nimage_size = 32")
    found = dry(capsys, "--config options")
    assert (found["crop"], found["image_size"]) == ([108, 108], [32, 32])
    found = dry(capsys, "--config options", "--recipe anime96 --preset carpedm20")
    assert (found["recipe"], found["image_size"]) == ("anime96", [96, 96])


@pytest.mark.parametrize("preset", PRESETS)
def test_a_config_json_works_as_it_is(tmp_path, capsys, preset):
    place = {"device": "cpu", "implementation": "reference", "precision": "fp32"}  # what would be used is shown
    config = config_of({"preset": preset, "channels": 1, "steps": 7, "lr": 0.25, **place})
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
    (tmp_path / "more").write_text("width = 9")
    assert run_train("--resume", run, "--config", tmp_path / "more", "--no-progress") == 2
    assert "--width: got 9, the run has 4" in capsys.readouterr().err


@pytest.mark.parametrize("text", [*MISTAKES, *TYPED_MISTAKES], ids=lambda text: text[:30])
def test_mistakes(tmp_path, capsys, text):
    assert (MISTAKES | TYPED_MISTAKES)[text] in refused(tmp_path, capsys, text)


def refused(tmp_path, capsys, text):
    """The one line that a file of this text ends in."""
    (tmp_path / "options").write_text(text)
    assert run_train("--config options --dry-run") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize("behind", ["", "\n", "\nseed = 1\n"], ids=["the end", "a line's end", "a line"])
@pytest.mark.parametrize("line", TYPED)
def test_a_line_as_typed_is_refused_and_said_in_toml(tmp_path, capsys, line, behind):
    expected = f"error: options, line 3: got '{line}', expected TOML: write {TYPED[line]}\n"
    assert refused(tmp_path, capsys, f"# options\nsamples = 1\n{line}{behind}") == expected
    (tmp_path / "options").write_text(TYPED[line])
    assert dry(capsys, "--config options")


@pytest.mark.parametrize(
    "name, reason",
    [
        ("nowhere", "No such file or directory"),
        ("folder", "Is a directory"),
        ("picture", "it is no text in UTF-8 (save it as such)"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, capsys, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff")
    assert run_train("--config", name, "--dry-run") == 2
    assert capsys.readouterr().err == f"error: --config: cannot read {name}: {reason}\n"


ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]  # each but the first with a mark in front


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", ['# äöü\nlr = 0.5\nout = "läufe"\n', '{"lr": 0.5,\n"out": "läufe"}\n'])
def test_files_as_editors_write_them(tmp_path, capsys, encoding, end, text):
    (tmp_path / "options").write_bytes(text.replace("\n", end).encode(encoding))
    assert run_train("--dry-run --device cpu --config", tmp_path / "options") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["lr"], found["out"]) == (0.5, "läufe")


@pytest.mark.parametrize("mark, order", [(b"\xfe\xff", "utf-16-be"), (b"\0\0\xfe\xff", "utf-32-be")])
def test_the_other_order_of_bytes(tmp_path, capsys, mark, order):
    (tmp_path / "options").write_bytes(mark + "lr = 0.5".encode(order))
    assert run_train("--dry-run --device cpu --config", tmp_path / "options") == 0
    assert json.loads(capsys.readouterr().out)["lr"] == 0.5


@pytest.mark.parametrize("content", [b"lr = 1e-3 # caf\xe9", b"\xff\xfe\0", b"\xff\xfe\0\xd8", bytes(range(128, 256))])
def test_what_is_no_text_of_a_known_encoding(tmp_path, capsys, content):
    (tmp_path / "options").write_bytes(content)
    assert run_train("--dry-run --device cpu --config", tmp_path / "options") == 2
    assert "it is no text in UTF-8 (save it as such)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line, meant", [("lr: 1e-3", "lr = 0.001"), ("flip: true", "flip = true"), ("preset: paper", 'preset = "paper"')]
)
def test_yaml_is_shown_as_toml(tmp_path, capsys, line, meant):
    (tmp_path / "options.yaml").write_text(f"{line}\n")
    assert run_train("--dry-run --config", tmp_path / "options.yaml") == 2
    assert f"line 1: got '{line}', expected TOML: write {meant}\n" in capsys.readouterr().err


def test_an_error_shows_no_codes_of_terminals(tmp_path, capsys):
    (tmp_path / "options").write_text("\x1b[31mlr\0 = 1\n")
    assert run_train("--dry-run --config", tmp_path / "options") == 2
    errors = capsys.readouterr().err
    assert errors[:-1].isprintable() and "\\x1b[31mlr\\x00" in errors
