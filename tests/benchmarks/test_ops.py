"""benchmarks.ops: all operations agree with PyTorch's, and a wrong one is noticed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import ops  # noqa: E402
from benchmarks.op_cases import Maker, Ours, batch_norm, convolution, others  # noqa: E402
from gpunet import kernels  # noqa: E402
from gpunet.backend import use_precision  # noqa: E402


def times(factor, make):
    """The calls that `make` makes, their results multiplied by a factor."""
    return lambda: Ours(lambda: [np.float32(factor) * value for value in make().run()])


def test_ops_notice_a_wrong_operation(monkeypatch):
    case = next(case for case in others(Maker("cpu"), 2, 1) if case.name == "loss")
    assert ops.row(case, "cpu", 1)["verified"]
    wrong, nan = (ops.row(case._replace(ours=times(factor, case.ours)), "cpu", 1) for factor in (2, math.nan))
    assert not wrong["verified"] and not nan["verified"] and "ours_ms" not in wrong


def test_every_op_agrees_with_pytorch(tmp_path, monkeypatch):
    """Width 16, for the Winograd forms; what is timed is verified first, so one round shows it."""
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", dict)
    target = tmp_path / "found.json"
    status = ops.main(["--width", "16", "--batch-size", "2", "--repeats", "1", "--json", str(target)])
    found = json.loads(target.read_text())
    assert status == 0 and len(found["rows"]) == 39
    assert all(0 < row["accuracy"]["ours"] < 1e-5 for row in found["rows"] if row["workload"].startswith("conv"))


@pytest.mark.cuda
def test_operations_are_timed_as_graphs_on_a_gpu(monkeypatch):
    """Every launch that is timed is a node of a graph: in the timed rounds nothing is launched from Python."""
    launched, launch = [], kernels.launch
    make, rounds = Maker("cuda"), []
    cases = [*convolution(make, 2, 4, 3, 4, 4, 2, 1), *batch_norm(make, (2, 4, 4, 3)), *others(make, 2, 1)]
    monkeypatch.setattr(kernels, "launch", lambda *a, **more: (launched.append(a[0]), launch(*a, **more)))
    monkeypatch.setattr(ops, "alternate", noting(rounds, launched, ops.alternate))
    with use_precision("fp32"):
        rows = [ops.row(case, "cuda", 2, copies=3) for case in cases]
    assert len(rows) == 8 and all(row["verified"] and row["ours_ms"] > 0 for row in rows)
    assert rounds == [0] * 2 * len(rows) and len(launched) >= 8 * (1 + 3 * 3)  # once, then in graphs of three


def noting(rounds, launched, alternate):
    """Note how many launches each call of `alternate` makes."""

    def noted(sides, count):
        before = len(launched)
        found = alternate(sides, count)
        rounds.append(len(launched) - before)
        return found

    return noted
