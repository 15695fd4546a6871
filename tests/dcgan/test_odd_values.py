"""Values too large, empty or damaged, on the command line and in the files of a run: one line, never a traceback."""

import json
import shutil

import numpy as np
import pytest

from dcgan import checks, trainer
from dcgan.run import log
from gpunet import checkpoint
from running import TINY, run_generate, run_train, write_pictures

INTEGERS = [
    "width", "z-dim", "samples", "batch-size", "epochs", "steps", "keep", "lr-period", "train-size", "classes",
    "sample-every",
]  # fmt: skip


def one_line(capsys):
    """The only line on stderr."""
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and errors.count("\n") == 1 and len(errors) < 600
    return errors


@pytest.mark.parametrize("number", [10**20, 10**30, "9" * 5000], ids=["1e20", "1e30", "5000 digits"])
@pytest.mark.parametrize("option", [*INTEGERS, "image-size", "crop", "ratio", "channels"])
def test_numbers_far_too_large(option, number, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = f"{number}:1" if option == "ratio" else number
    assert run_train(*TINY, f"--{option} {value}") == 2
    assert f"--{option}: " in one_line(capsys) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", ["--image-size 57344", "--z-dim 2000000000", "--samples 2000000000"])
def test_numbers_that_no_memory_holds(options, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "default_memory_limit", lambda: 2**30)
    assert run_train(*TINY, options) == 2
    assert "GiB of memory" in one_line(capsys) and not list(tmp_path.iterdir())


def test_weights_that_no_memory_holds(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_train(*TINY, "--width 2000000000") == 1
    assert "out of memory" in one_line(capsys)


@pytest.mark.parametrize("option", ["resume", "out", "data", "config", "lr", "seed", "preset"])
@pytest.mark.parametrize("form", [["--{}", ""], ["--{}="]], ids=["a word", "behind ="])
def test_empty_values(option, form, capsys, tmp_path, monkeypatch):
    """As of a shell variable that is not set."""
    monkeypatch.chdir(tmp_path)
    given = [word.format(option) for word in form]
    assert run_train(*TINY, *given) == 2
    assert f"--{option}: got ''" in one_line(capsys)
    assert run_generate(*given) == 2
    assert not list(tmp_path.iterdir())


def test_a_batch_of_one(capsys, tmp_path, monkeypatch):
    """Batch norm of vectors needs two rows; of maps it has a row per pixel."""
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_pictures(tmp_path / name, 4)
    label = ["--data", ".", "--preset", "carpedm20-mnist", "--width 2 --steps 1 --batch-size 1 --no-progress"]
    assert run_train(*label, "--device cpu --implementation reference") == 2
    assert "--batch-size: got 1, with --preset carpedm20-mnist expected 2 or more: BatchNorm" in one_line(capsys)
    assert run_train(*TINY, "--batch-size 1 --steps 1", "--data", "a") == 0


@pytest.fixture
def trained(tiny, run, capsys):
    """A run of three steps."""
    assert run_train(*tiny, "--steps 3") == 0
    capsys.readouterr()
    return run


CONFIGS = {
    "Latin-1": b'{"data": "caf\xe9"}',
    "a list": b"[]",
    "cut": b'{"data": nu',
    "deep": b"[" * 100_000,
    "another type": b'{"lr": {"a": 1}}',
    "5000 digits": b'{"width": ' + b"9" * 5000 + b"}",
    "nothing": b"",
}


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_a_damaged_config(trained, text, capsys):
    (trained / "config.json").write_bytes(text)
    assert run_train("--resume", trained, "--steps 5 --no-progress") == 2
    assert str(trained / "config.json") in one_line(capsys)


def test_a_config_with_a_byte_order_mark(trained):
    (trained / "config.json").write_bytes(b"\xef\xbb\xbf" + (trained / "config.json").read_bytes())
    assert run_train("--resume", trained, "--steps 5 --no-progress") == 0


CHANGES = {
    "a weight is NaN": lambda state: state["gan"]["G"]["0.weight"].fill(np.nan),
    "a moment is infinite": lambda state: state["gan"]["adam_D"]["v"].fill(np.inf),
    "no step": lambda state: state.pop("step"),
    "a step of another type": lambda state: state.update(step=[1]),
    "an endless step": lambda state: state.update(step=float("inf")),
    "a negative step": lambda state: state.update(step=-1),
    "a position behind the data": lambda state: state.update(position=10**9),
    "a negative epoch": lambda state: state.update(epoch=-1),
    "random numbers of another kind": lambda state: state.update(random=[]),
    "a random state too large": lambda state: state["random"]["state"].update(state=2**200),
    "no networks": lambda state: state.update(gan=5),
    "z of another shape": lambda state: state.update(fixed_z=np.zeros(3)),
    "a config of another type": lambda state: state.update(config=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_checkpoint_with_odd_values(trained, change, capsys):
    path = trained / "checkpoints/000003.h5"
    state = checkpoint.load(path)
    change(state)
    checkpoint.save(path, state)
    assert run_train("--resume", trained, "--steps 5 --no-progress") == 2
    assert str(trained) in one_line(capsys)


@pytest.mark.filterwarnings("always")
def test_nothing_is_drawn_that_is_nan(trained, capsys, recwarn):
    """Every number of the checkpoint is finite, but a variance is negative: its root is NaN."""
    path = trained / "checkpoints/000003.h5"
    state = checkpoint.load(path)
    for part in ("G", "average_G"):
        for name, value in state["gan"][part].items():
            if name.endswith("running_var"):
                value.fill(-1)
    checkpoint.save(path, state)
    assert run_generate(trained, "--out", trained / "x.png", "--device cpu --implementation reference") == 2
    assert "draws numbers that are NaN" in one_line(capsys)
    assert not recwarn.list and not (trained / "x.png").exists()


def test_nothing_is_drawn_by_weights_that_are_nan(trained, capsys):
    state = checkpoint.load(trained / "checkpoints/000003.h5")
    CHANGES["a weight is NaN"](state)
    checkpoint.save(trained / "checkpoints/000003.h5", state)
    assert run_generate(trained, "--count 2", "--out", trained / "x.png") == 2
    assert "G 0.weight is not finite (NaN or infinite)" in one_line(capsys)
    assert not (trained / "x.png").exists()


LOGS = {
    "another encoding": (b'{"step": 1, "caf\xe9": 1}\n', [4, 5]),
    "another type": (b"[1]\n7\nnull\n{}\n", [4, 5]),
    "lines missing": (b'{"step": 3, "loss_d": 1}\n', [3, 4, 5]),
    "a step twice": (b'{"step": 3, "loss_d": 1}\n{"step": 3, "loss_d": 1}\n', [3, 4, 5]),
}


@pytest.mark.parametrize("text, steps", LOGS.values(), ids=LOGS)
def test_a_damaged_log(trained, text, steps, capsys):
    """What is sound stays, and each step is there once."""
    (trained / "log.jsonl").write_bytes(text)
    assert run_train("--resume", trained, "--steps 5 --no-progress") == 0
    assert "log.jsonl lacks" in capsys.readouterr().out
    assert [record["step"] for record in log.read(trained / "log.jsonl")] == steps
    assert all(json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines())


@pytest.mark.parametrize("name", ["samples", "checkpoints", "log.jsonl", "config.json"])
def test_a_run_that_lacks_something(trained, name, capsys):
    path = trained / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert run_train("--resume", trained, "--steps 5 --no-progress") == 0
    assert (trained / "checkpoints/000005.h5").exists() and (trained / "samples/000005.png").exists()


def test_the_command_to_go_on_with_can_be_pasted(tiny, tmp_path, capsys, monkeypatch):
    """A folder's name with a space is quoted."""
    monkeypatch.setattr(trainer.Trainer, "train", lambda *args: False)
    assert run_train(*tiny, "--steps 1", "--out", tmp_path / "my runs") == 130
    assert capsys.readouterr().out.endswith(f"--resume '{tmp_path}/my runs/0001-dcgan64'\n")
