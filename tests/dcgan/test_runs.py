"""Whole runs: the folder and what stays in it when something goes wrong; on a GPU one graph launch a step."""

import json
import threading

import numpy as np
import pytest
from PIL import Image

from dcgan import trainer
from dcgan.config import Config
from dcgan.data import ArraySource
from dcgan.run import log
from dcgan.run.folder import RunDir
from dcgan.trainer import Trainer
from gpunet import backend, checkpoint, files
from gpunet.backend.graph import Graph
from running import TINY, content, run_train, write_pictures

ON_CUDA = "--width 2 --image-size 16 --z-dim 3 --batch-size 4 --samples 2 --no-progress --implementation kernels"


def size(path):
    with Image.open(path) as image:
        return image.mode, image.size


def test_what_a_run_leaves(tiny, run, capsys):
    assert run_train(*tiny, "--steps 7 --sample-every 3 --checkpoint-every 5") == 0
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert names == {
        "config.json", "run.json", "log.jsonl", "timing.jsonl", "loss.png", "samples/real.png",
        "samples/000001.png", "samples/000003.png", "samples/000006.png", "samples/000007.png",
        "checkpoints/000005.h5", "checkpoints/000007.h5",
    }  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dcgan64 16x16 on ")
    assert lines[0].endswith("device cpu, implementation reference, precision fp32")
    assert lines[-2:] == [f"samples: {run}/samples/000007.png", f"run folder: {run}"]
    assert size(run / "samples/000007.png") == ("RGB", (2 + 3 * 18, 2 + 2 * 18))  # six pictures of 16x16
    assert size(run / "loss.png")[1] == (900, 600)
    config = Config.from_json((run / "config.json").read_text())
    assert (config.width, config.image_size, config.channels, config.steps) == (4, (16, 16), 3, 7)


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


def test_two_processes_cannot_train_in_one_folder(tiny, run, capsys):
    run_train(*tiny, "--steps", 1)
    with RunDir(run).locked():
        assert run_train("--resume", run, "--steps", 2, "--no-progress") == 2
    assert "is in use: another process is training there" in capsys.readouterr().err
    assert run_train("--resume", run, "--steps", 2, "--no-progress") == 0


def test_a_full_disk_keeps_what_was_saved(tiny, run, capsys, monkeypatch):
    assert run_train(*tiny, "--steps", 3) == 0
    before = (run / "checkpoints/000003.h5").read_bytes()

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "write_atomically", full)
    capsys.readouterr()
    assert run_train("--resume", run, "--steps 6 --checkpoint-every 1 --keep 1 --no-progress") == 1
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
    monkeypatch.setattr(trainer, "sample", lambda *args: pictures[:1])  # a full batch would take long
    with backend.use("reference"):
        for first, second in (devices, ("cpu", "cpu")):
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


def train(runs, *options):
    """Train in a new run; return it."""
    assert run_train(ON_CUDA, "--precision fp32 --out", runs, *options) == 0
    return sorted(runs.iterdir())[-1]


def records(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def assert_same_numbers(run, other, tolerance):
    """Rounding differs between the machines, and Adam's first steps magnify that where a gradient is nearly 0."""
    for a, b in zip(records(run), records(other), strict=True):
        assert set(a) == {"step", "epoch", "loss_d", "loss_g", "d_real", "d_fake"}
        for name, value in a.items():
            assert b[name] == pytest.approx(value, rel=tolerance), (a["step"], name)


class Counting:
    """Takes the place of a CUDA graph, and counts how often it is launched."""

    def __init__(self, graph):
        self.graph, self.launches = graph, 0

    def launch(self, stream):
        self.launches += 1
        self.graph.launch(stream)


@pytest.mark.cuda
@pytest.mark.usefixtures("numbers_for_plot")
def test_one_launch_a_step_gives_the_same_files(runs, monkeypatch):
    """Byte for byte, with and without a graph, which takes over at the third step."""
    graphs, capture = [], Graph._capture

    def counted(self, stream):
        capture(self, stream)
        self.graph = Counting(self.graph)
        graphs.append(self.graph)

    monkeypatch.setattr(Graph, "_capture", counted)
    with_graph, without = train(runs, "--device cuda --steps 5"), train(runs, "--device cuda --steps 5 --no-graph")
    assert [graph.launches for graph in graphs] == [3]
    a, b = content(with_graph), content(without)
    assert set(a) == set(b) and [name for name in a if a[name] != b[name]] == ["config.json"]


@pytest.mark.cuda
@pytest.mark.usefixtures("numbers_for_plot")
def test_the_cpu_has_the_same_numbers(runs):
    assert_same_numbers(train(runs, "--device cuda --steps 3"), train(runs, "--device cpu --steps 3"), 1e-4)


@pytest.mark.cuda
@pytest.mark.usefixtures("numbers_for_plot")
@pytest.mark.parametrize("devices", [("cpu", "cuda", "cpu"), ("cuda", "cpu", "cuda")], ids="-".join)
def test_a_run_goes_on_on_another_device_and_comes_back(runs, capsys, devices):
    first, *others = devices
    run = train(runs, "--device", first, "--steps 2")
    for steps, device in zip((4, 6), others, strict=True):
        assert run_train("--resume", run, "--steps", str(steps), "--no-progress --device", device) == 0
        assert f"device {device}, implementation kernels, precision fp32" in capsys.readouterr().out
    assert RunDir(run).saved()[0].stem == "000006"
    assert_same_numbers(train(runs, "--device", first, "--steps 6"), run, 1e-3)
