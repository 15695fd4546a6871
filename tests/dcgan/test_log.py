"""The log of a run: exact numbers, fetched now and then; a run that diverges is stopped by it."""

import json

import numpy as np
import pytest

from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.errors import Diverged
from dcgan.run import log
from dcgan.run.folder import RunDir
from dcgan.run.output import Output
from dcgan.trainer import Trainer
from gpunet import checkpoint
from running import (
    run_train,
)


def test_the_log(tiny, run):
    run_train(*tiny, "--steps", 7)
    records = log.read(run / "log.jsonl")
    assert [record["step"] for record in records] == list(range(1, 8))
    assert [record["epoch"] for record in records] == [1, 1, 2, 2, 3, 3, 4]  # 20 pictures, batches of 8
    for record in records:
        assert set(record) == {"step", "epoch", "loss_d", "loss_g", "d_real", "d_fake"}
        assert 0 < record["d_real"] < 1 and 0 < record["d_fake"] < 1
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    assert timing[-1]["step"] == 7 and all(line["images_per_second"] > 0 for line in timing)


def test_numbers_in_the_log_are_exact(tmp_path):
    """Every float32 comes back as the same float32."""
    values = np.random.default_rng(0).standard_normal(100).astype("float32") ** 9
    book = log.Log(tmp_path, 1)
    for step, value in enumerate(values, 1):
        book.record(step, 1, {"loss_d": value})
    book.flush()
    assert [np.float32(record["loss_d"]) for record in log.read(tmp_path / "log.jsonl")] == list(values)


def test_numbers_are_fetched_now_and_then(tmp_path, monkeypatch):
    """Not at every step: each fetch would wait for the device."""
    fetches = []
    monkeypatch.setattr(log, "_fetch", lambda pending, fetch=log._fetch: fetches.append(1) or fetch(pending))
    book = log.Log(tmp_path, 1)
    for step in range(1, 500):
        book.record(step, 1, {"loss_d": np.float32(step)})
    assert len(fetches) <= 2
    book.flush()
    assert len(log.read(tmp_path / "log.jsonl")) == 499


def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(tiny, run, capsys):
    assert run_train(*tiny, "--steps", 3) == 0
    capsys.readouterr()
    assert run_train("--resume", run, "--lr-d 1e38 --steps 50 --checkpoint-every 1 --keep 1 --no-progress") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: step ")
    kept = RunDir(run).saved()
    assert len(kept) == 1 and str(kept[0]) in error
    assert all(np.isfinite(array).all() for array in checkpoint.load(kept[0])["gan"]["D"].values())
    records = log.read(run / "log.jsonl")
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    assert np.isfinite([list(record.values()) for record in records]).all()


@pytest.mark.parametrize("part, name", [("G", "0.weight"), ("D", "3.running_var"), ("adam_G", "v")])
def test_a_state_that_is_not_finite_is_never_saved(runs, part, name):
    """The losses of a step are those before its update: they may be finite when the weights no longer are."""
    config = Config(image_size=16, channels=1, z_dim=2, width=2, batch_size=2, steps=1)
    trainer = Trainer(config, ArraySource(np.zeros((2, 16, 16, 1), "uint8"), "", ""), "cpu")
    run = RunDir.create(runs, "run")
    output = Output(run, log.Log(run.path, 2))
    trainer.save(output)
    state = trainer.gan.state_dict()
    state[part][name].flat[0] = np.nan
    trainer.gan.load_state_dict(state)
    trainer.step = 1
    with pytest.raises(Diverged, match=f"^step 1: {part} {name} is no longer finite$"):
        trainer.save(output)
    assert [path.stem for path in run.saved()] == ["000000"]


def test_nan_in_the_losses_names_its_step(tmp_path):
    book = log.Log(tmp_path, 1)
    for step, value in enumerate([1, 2, np.nan, 4], 1):
        book.record(step, 1, {"loss_d": np.float32(value), "loss_g": np.float32(1)})
    with pytest.raises(Diverged, match="^step 3: loss_d is nan$"):
        book.flush()
    assert len(log.read(tmp_path / "log.jsonl")) == 2
