"""Whole runs on a CUDA device: one graph launch a step, the numbers of the CPU, and resumes from one to the other."""

import json

import pytest

from dcgan.run.folder import RunDir
from gpunet.backend.graph import Graph
from running import content, run_train

TINY = "--width 2 --image-size 16 --z-dim 3 --batch-size 4 --samples 2 --no-progress --implementation kernels"
pytestmark = [pytest.mark.cuda, pytest.mark.usefixtures("numbers_for_plot")]


def train(runs, *options):
    """Train in a new run; return it."""
    assert run_train(TINY, "--precision fp32 --out", runs, *options) == 0
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


def test_the_cpu_has_the_same_numbers(runs):
    assert_same_numbers(train(runs, "--device cuda --steps 3"), train(runs, "--device cpu --steps 3"), 1e-4)


@pytest.mark.parametrize("first, second", [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_run_goes_on_on_another_device(runs, capsys, first, second):
    run = train(runs, "--device", first, "--steps 2")
    assert run_train("--resume", run, "--steps 4 --no-progress --device", second) == 0
    assert f"device {second}, implementation kernels, precision fp32" in capsys.readouterr().out
    assert RunDir(run).saved()[0].stem == "000004"
    assert_same_numbers(train(runs, "--device", first, "--steps 4"), run, 1e-3)
