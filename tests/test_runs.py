"""The run folder: its number, what lies in it, what stays in it when something goes wrong."""

import json
import threading

import numpy as np
import pytest
from PIL import Image

from dcgan import log, trainer
from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.rundir import RunDir
from dcgan.trainer import Trainer
from gpunet import backend, checkpoint, files
from running import TINY, run_train, write_pictures


@pytest.fixture(autouse=True)
def implementation():
    with backend.use(backend.implementation()):  # restores what the command line chooses
        yield


@pytest.fixture
def options(tmp_path):
    return [*TINY, "--data", write_pictures(tmp_path / "data"), "--out", tmp_path / "runs"]


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "0001-dcgan64"


def size(path):
    with Image.open(path) as image:
        return image.mode, image.size


def test_what_a_run_leaves(options, run, capsys):
    assert run_train(*options, *"--steps 7 --sample-every 3 --checkpoint-every 5".split()) == 0
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names == {
        "config.json", "log.jsonl", "timing.jsonl", "loss.png", "samples/real.png",
        "samples/000001.png", "samples/000003.png", "samples/000006.png", "samples/000007.png",
        "checkpoints/000005.h5", "checkpoints/000007.h5",
    }  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dcgan64 16x16 on ") and lines[0].endswith("device cpu, implementation " + TINY[-1])
    assert lines[-2:] == [f"samples: {run}/samples/000007.png", f"run folder: {run}"]
    assert size(run / "samples/000007.png") == ("RGB", (2 + 3 * 18, 2 + 2 * 18))  # six pictures of 16x16
    assert size(run / "loss.png")[1] == (900, 600)
    config = Config.from_json((run / "config.json").read_text())
    assert (config.width, config.image_size, config.channels, config.steps) == (4, (16, 16), 3, 7)


def test_the_log(options, run):
    run_train(*options, "--steps", 7)
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


def test_grey_pictures_stay_grey(tmp_path, run):
    run_train(*TINY, "--data", write_pictures(tmp_path / "data", mode="L"), "--out", run.parent, "--steps", 1)
    assert size(run / "samples/real.png")[0] == size(run / "samples/000001.png")[0] == "L"
    assert Config.from_json((run / "config.json").read_text()).channels == 1


def test_unreadable_pictures_are_listed(tmp_path, run):
    data = write_pictures(tmp_path / "data")
    (data / "broken.png").write_bytes(b"no picture")
    assert run_train(*TINY, "--data", data, "--out", run.parent, "--steps", 1) == 0
    assert (run / "skipped.txt").read_text().startswith("broken.png\t")


def test_numbers_count_up(tmp_path):
    (tmp_path / "0007-other").mkdir()
    (tmp_path / "notes.txt").touch()
    assert RunDir.create(tmp_path, "a").path.name == "0008-a"
    assert RunDir.create(tmp_path, "b").path.name == "0009-b"
    assert RunDir.create(tmp_path / "new/deep", "a").path.name == "0001-a"


def test_runs_started_at_once_get_different_numbers(tmp_path):
    together = threading.Barrier(12)

    def create(name):
        together.wait()
        RunDir.create(tmp_path, name)

    threads = [threading.Thread(target=create, args=(f"preset{i % 3}",)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({path.name[:4] for path in tmp_path.iterdir()}) == 12


def test_two_processes_cannot_train_in_one_folder(options, run, capsys):
    run_train(*options, "--steps", 1)
    with RunDir(run).locked():
        assert run_train("--resume", run, "--steps", 2, "--no-progress") == 2
    assert "is in use: another process is training there" in capsys.readouterr().err
    assert run_train("--resume", run, "--steps", 2, "--no-progress") == 0


def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(options, run, capsys):
    assert run_train(*options, "--steps", 3) == 0
    state = checkpoint.load(run / "checkpoints/000003.h5")
    state["gan"]["adam_D"]["lr"] = 1e38
    checkpoint.save(run / "checkpoints/000003.h5", state)
    capsys.readouterr()
    assert run_train("--resume", run, *"--steps 50 --checkpoint-every 1 --keep 1 --no-progress".split()) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("error: step ")
    kept = RunDir(run).saved()
    assert len(kept) == 1 and str(kept[0]) in error
    assert all(np.isfinite(array).all() for array in checkpoint.load(kept[0])["gan"]["D"].values())
    records = log.read(run / "log.jsonl")
    assert [record["step"] for record in records] == list(range(1, len(records) + 1))
    assert np.isfinite([list(record.values()) for record in records]).all()


def test_nan_in_the_losses_names_its_step(tmp_path):
    book = log.Log(tmp_path, 1)
    for step, value in enumerate([1, 2, np.nan, 4], 1):
        book.record(step, 1, {"loss_d": np.float32(value), "loss_g": np.float32(1)})
    with pytest.raises(log.Diverged, match="^step 3: loss_d is nan$"):
        book.flush()
    assert len(log.read(tmp_path / "log.jsonl")) == 2


def test_a_full_disk_keeps_what_was_saved(options, run, capsys, monkeypatch):
    assert run_train(*options, "--steps", 3) == 0
    before = (run / "checkpoints/000003.h5").read_bytes()

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    capsys.readouterr()
    assert run_train("--resume", run, *"--steps 6 --checkpoint-every 1 --keep 1 --no-progress".split()) == 1
    assert capsys.readouterr().err == f"error: could not write {run}/checkpoints/000004.h5: No space left on device\n"
    monkeypatch.setattr(checkpoint, "write_atomically", files.write_atomically)
    assert [path.name for path in RunDir(run).saved()] == ["000003.h5"]
    assert (run / "checkpoints/000003.h5").read_bytes() == before
    assert run_train("--resume", run, "--no-progress") == 0
    assert len(log.read(run / "log.jsonl")) == 6


@pytest.mark.cuda
@pytest.mark.parametrize("devices", [("cpu", "cuda"), ("cuda", "cpu")], ids="-".join)
def test_a_run_moves_between_devices(tmp_path, monkeypatch, devices):
    """The checkpoint of either device goes on on the other, to nearly the same numbers."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype="uint8")
    config = Config(width=2, image_size=8, channels=1, z_dim=2, batch_size=2, samples=2, steps=2)
    states = []
    monkeypatch.setattr(trainer, "sample", lambda G, z: pictures[:1])  # a full batch is slow on a virtual device
    with backend.use("reference"):
        for i, (first, second) in enumerate([devices, ("cpu", "cpu")]):
            run = RunDir.create(tmp_path, "run")
            begun = Trainer(config, ArraySource(pictures, "", ""), first)
            begun.last_step = 1
            begun.train(run, progress=False)
            ended = Trainer(config, ArraySource(pictures, "", ""), second)
            ended.load_state_dict(checkpoint.load(run.checkpoint(1)))
            ended.train(run, progress=False)
            states.append(ended.gan.state_dict())
    for name in ("G", "D"):
        for key, value in states[0][name].items():
            np.testing.assert_allclose(value, states[1][name][key], rtol=1e-4, atol=1e-5, err_msg=f"{name} {key}")
