"""Run folders in which a file is damaged, missing or somebody else's: every command that reads them says one line."""

import json

import numpy as np
import pytest

from dcgan import compare, plot, runs
from dcgan.run import log
from gpunet import checkpoint
from gpunet.checkpoint import CheckpointError
from running import PLACE, run_generate, run_train

pytestmark = pytest.mark.usefixtures("numbers_for_plot")
LINES = [
    b"[]", b"{}", b"7", b"{", b'{"step": null}', b'{"step": "3"}', b'{"step": -1}', b'{"step": true}', b'{"step": 1e3}',
    b'{"step": ' + b"9" * 400 + b"}", b"[" * 100_000, b"\xff", b"",
]  # fmt: skip
VALUES = ["text", None, [1], {}, True, float("nan"), float("inf"), -float("inf"), 1e39, 10**400]


@pytest.fixture
def trained(tiny, run):
    """A run of two steps."""
    assert run_train(*tiny, "--steps 2") == 0
    return run


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_no_record(tmp_path, line):
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1, "loss_d": 0.5}\n' + line + b'\n{"step": 2}\n')
    assert log.read(tmp_path / "log.jsonl") == [{"step": 1, "loss_d": 0.5}, {"step": 2}]


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_is_no_number(tmp_path, value):
    text = json.dumps({"step": 1, "loss_d": value, "loss_g": -2})
    (tmp_path / "log.jsonl").write_text(text)
    assert log.read(tmp_path / "log.jsonl") == [{"step": 1, "loss_g": -2}]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", ["log.jsonl", "timing.jsonl"])
def test_commands_read_over_odd_values(trained, capsys, name, value):
    with open(trained / name, "a") as file:
        for key in ("images_per_second", "loss_d", "step"):
            file.write(json.dumps({"step": 3, "images_per_second": 5.0, key: value}) + "\n")
    (trained / "run.json").write_text(json.dumps({"last_step": value}))
    assert runs.main([str(trained.parent)]) == 0
    assert plot.main([str(trained)]) == 0
    assert compare.main([str(trained), str(trained), "--out", str(trained)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"7", b'{"classes": 7}', b'{"classes": [[1]]}', b""])
def test_a_damaged_run_json_names_no_classes_and_stops_nothing(trained, content, capsys):
    (trained / "run.json").write_bytes(content)
    assert run_generate(trained, "--count 1", "--out", trained / "x.png", *PLACE) == 0
    assert runs.main([str(trained.parent)]) == 0
    assert run_train("--resume", trained, "--steps 3 --no-progress") == 0


DAMAGE = {
    "no log": (lambda run: (run / "log.jsonl").unlink(), "has no step yet: expected log.jsonl in it"),
    "no grids": (lambda run: [path.unlink() for path in (run / "samples").iterdir()], "has no sample grid yet"),
    "cut grid": (lambda run: (run / "samples/000002.png").write_bytes(b"\x89PNG\r\n\x1a\n"),
    "000002.png is no sample grid"),
    "config": (lambda run: (run / "config.json").write_bytes(b"\xff"), "config.json is no text in UTF-8"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_compare_says_what_is_damaged(trained, capsys, name):
    damage, message = DAMAGE[name]
    damage(trained)
    capsys.readouterr()
    assert compare.main([str(trained), str(trained), "--out", str(trained)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_an_error_is_one_short_line_of_letters(tmp_path, capsys):
    """Whatever the argument or the file name that it quotes."""
    assert runs.main([str(tmp_path / ("\x1b[31mred\udcff\n" + "9" * 5000))]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "File name too long" in error and error.count("\n") == 1
    assert error.rstrip("\n").isprintable() and len(error) < 1100


def test_any_error_of_the_library_is_a_damaged_checkpoint(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "a.h5", {"a": np.ones(3)})
    monkeypatch.setattr(checkpoint, "_array", lambda *_: [][2**70])  # as HDF5 did for an offset beyond 64 bits
    with pytest.raises(CheckpointError, match="is no checkpoint of this library: cannot fit"):
        checkpoint.load(tmp_path / "a.h5")
