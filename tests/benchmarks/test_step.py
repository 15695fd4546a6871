"""benchmarks.step at a tiny size: the file that it writes, and that it notices a wrong number."""

from __future__ import annotations

import contextlib
import json
from unittest.mock import Mock

import pytest

torch = pytest.importorskip("torch")

from benchmarks import step  # noqa: E402
from benchmarks.measure.workloads import Batch, Ours, Workload  # noqa: E402
from benchmarks.rivals import torch_graph  # noqa: E402
from benchmarks.rivals.chosen import chosen  # noqa: E402
from benchmarks.rivals.names import Rival  # noqa: E402
from benchmarks.rivals.same_step import Comparison, torch_side  # noqa: E402
from benchmarks.rivals.torch_step import TorchStep  # noqa: E402
from gpunet import optim  # noqa: E402
from gpunet.backend import choices  # noqa: E402
from gpunet.layers import Conv2d  # noqa: E402

TINY = ["--workloads", "dcgan64-nf2-b2-s16", "--rivals", "eager", "frozen+fused+channels_last", "--repeats", "2"]


@pytest.fixture(autouse=True)
def no_peaks(monkeypatch):
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", lambda: {"sgemm_gflops": 100.0})


def run(tmp_path, *more):
    target = tmp_path / "found.json"
    status = step.main([*TINY, *more, "--json", str(target)])
    return status, json.loads(target.read_text()), target


def test_a_row_holds_times_ratio_and_errors(tmp_path):
    status, found, target = run(tmp_path)
    (row,) = found["rows"]
    assert status == 0 and row["verified"] and set(found) == {"rows", "machine", "versions", "command"}
    assert row["workload"] == "dcgan64-nf2-b2-s16" and set(row["rivals"]) == set(TINY[3:5])
    assert row["ours_spread"][0] <= row["ours_ms"] <= row["ours_spread"][1]
    assert row["best"] == min(row["rivals"], key=row["rivals"].get)
    assert row["ratio"] == pytest.approx(row["ours_ms"] / row["rivals"][row["best"]])
    assert row["ours_gflops"] == pytest.approx(row["gflop"] / row["ours_ms"] * 1e3)
    assert all(errors["loss"] < 1e-4 for errors in row["errors"].values())
    assert list(tmp_path.iterdir()) == [target]  # no temporary file stays


def test_a_wrong_gradient_is_not_verified_and_not_timed(tmp_path, monkeypatch):
    right = Conv2d.backward
    monkeypatch.setattr(Conv2d, "backward", lambda self, dy, input_grad=True: right(self, dy * 1.1, input_grad))
    status, found, _ = run(tmp_path)
    (row,) = found["rows"]
    assert status == 1 and row["verified"] is False and "ours_ms" not in row


def test_a_wrong_update_is_not_verified(tmp_path, monkeypatch):
    right = optim.Adam.lr.fset
    monkeypatch.setattr(optim.Adam, "lr", property(optim.Adam.lr.fget, lambda self, lr: right(self, 3 * lr)))
    status, found, _ = run(tmp_path)
    assert status == 1 and found["rows"][0]["verified"] is False


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32x3", "tf32", "bf16", "fp16"])
def test_every_precision_is_verified_on_a_gpu(tmp_path, monkeypatch, precision):
    """Losses, gradients and weights are read while nothing still writes them, and the row agrees with PyTorch's."""
    monkeypatch.setattr(choices, "_chosen", dict(choices._chosen))
    larger = ["--workloads", "dcgan64-nf8-b8-s16"]  # over two pictures batch norm would magnify every rounding
    status, found, _ = run(tmp_path, *larger, "--device", "cuda", "--precision", precision)
    (row,) = found["rows"]
    assert status == 0 and row["verified"] and not row["skipped"] and row["ours_ms"] > 0
    assert all(name.endswith(precision) == (precision in ("bf16", "fp16")) for name in row["errors"])


@pytest.mark.parametrize("part", ["bf16", "fp16"])
def test_pytorchs_mixed_precision_is_another_rounding_of_the_same_step(tmp_path, part):
    """Rounding shows, as it must; within the bounds for that precision the step is the same."""
    workload = Workload.named("dcgan64-nf4-b4-s16")
    comparison = Comparison(Ours(workload, "cpu"), workload.config.lr)
    batch = Batch.drawn(workload, 1)
    side = torch_side(workload, Rival(f"frozen+fused+{part}"), comparison.values, batch, comparison.low, "cpu")
    errors = comparison.errors(side)
    assert comparison.agrees(errors, part) and errors["gradient"] > 1e-4


class GraphOnTheCpu:
    """Takes the place of PyTorch's CUDA graph: the capture runs nothing, a replay runs the step anew."""

    def __init__(self):
        self.steps = []

    def replay(self):
        for name, loss in self.steps[0]().items():
            self.losses[name].copy_(loss)


def test_a_captured_step_leaves_no_trace_of_its_warm_up(monkeypatch):
    """The three steps of the rival with a graph are those of the one without: weights, moments and rate begin anew."""
    null = contextlib.nullcontext()
    stand_ins = {"Stream": lambda: Mock(), "current_stream": lambda: Mock(), "stream": lambda stream: null}
    for name, value in {**stand_ins, "graph": lambda graph, stream: null, "CUDAGraph": GraphOnTheCpu}.items():
        monkeypatch.setattr(torch.cuda, name, value)
    made = torch_graph.Replayed.__init__

    def noted(self, train, state):
        made(self, train, state)
        self.graph.steps, self.graph.losses = [train], self.losses

    monkeypatch.setattr(torch_graph.Replayed, "__init__", noted)
    monkeypatch.setattr(TorchStep, "_adam", on_the_cpu(TorchStep._adam))
    workload = Workload.named("dcgan64-nf4-b4-s16")
    comparison = Comparison(Ours(workload, "cpu"), workload.config.lr)
    batch, found = Batch.drawn(workload, 1), []
    for name in ("frozen+fused", "frozen+fused+graph"):
        found.append(torch_side(workload, Rival(name), comparison.values, batch, comparison.low, "cpu"))
    assert comparison.errors(found[1]) == pytest.approx(comparison.errors(found[0]), abs=1e-6)
    for a, b in zip(found[0].state(), found[1].state(), strict=True):
        torch.testing.assert_close(a, b)


def on_the_cpu(make):
    """Adam that a graph can hold is refused on the CPU; the usual one takes its place, with its rate as a tensor."""

    def adam(self, net):
        graph, self.rival = self.rival.has("graph"), Rival("frozen+fused")
        try:
            found = make(self, net)
        finally:
            self.rival = Rival("frozen+fused+graph") if graph else self.rival
        if graph:
            found.param_groups[0]["lr"] = torch.tensor(self.plain["lr"])
        return found

    return adam


def test_rivals_are_in_our_precision():
    assert [rival.name for rival in chosen(["eager"], "cuda", "bf16")] == ["eager+bf16"]
    assert [rival.name for rival in chosen(["eager"], "cuda", "tf32")] == ["eager"]
    assert any(rival.has("graph") and rival.has("compiled") for rival in chosen(None, "cuda"))


def test_an_error_in_one_row_on_a_gpu_loses_no_other_row(tmp_path, monkeypatch):
    class Failing:
        def __init__(self, workload, rivals, device):
            if workload.batch == 4:
                raise RuntimeError("out of memory\nand more")
            kept.append(target.exists() and [row["workload"] for row in json.loads(target.read_text())["rows"]])
            self.name = workload.name

        def row(self, rounds):
            return {"workload": self.name, "verified": True, "errors": {}}

    kept, target = [], tmp_path / "found.json"
    monkeypatch.setattr(step, "Race", Failing)
    monkeypatch.setattr(step, "prepare", lambda options: None)
    monkeypatch.setattr(step, "machine", lambda device: {})
    names = ["dcgan64-nf2-b2", "dcgan64-nf2-b4", "dcgan64-nf2-b8"]
    assert step.main(["--device", "cuda", "--workloads", *names, "--json", str(target)]) == 1
    rows = json.loads(target.read_text())["rows"]
    assert [row["verified"] for row in rows] == [True, False, True]
    assert rows[1]["failed"] == "RuntimeError: out of memory" and kept == [False, names[:2]]


def test_what_measures_the_cpu_alone_is_refused_on_a_gpu(capsys):
    assert step.main(["--device", "cuda", "--start-up", "--generate", "10"]) == 2
    assert "got --start-up and --generate with --device cuda" in capsys.readouterr().err


def test_a_wrong_name_gives_exit_status_2():
    assert step.main(["--workloads", "nothing-nf8"]) == 2
    assert step.main(["--rivals", "fast"]) == 2
    assert step.main(["--rivals", "eager+graph"]) == 2
