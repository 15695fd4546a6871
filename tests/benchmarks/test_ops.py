"""benchmarks.ops: all operations agree with PyTorch's, and a wrong one is noticed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import ops  # noqa: E402
from benchmarks.op_cases import Maker, others  # noqa: E402


def test_ops_notice_a_wrong_operation(monkeypatch):
    case = next(case for case in others(Maker("cpu"), 2, 1) if case.name == "loss")
    assert ops.row(case, "cpu", 1)["verified"]
    wrong = ops.row(case._replace(ours=lambda: [2 * value for value in case.ours()]), "cpu", 1)
    nan = ops.row(case._replace(ours=lambda: [np.float32(math.nan) * value for value in case.ours()]), "cpu", 1)
    assert not wrong["verified"] and not nan["verified"] and "ours_ms" not in wrong


def test_every_op_agrees_with_pytorch(tmp_path, monkeypatch):
    """Width 16, for the Winograd forms; what is timed is verified first, so one round shows it."""
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", dict)
    target = tmp_path / "found.json"
    status = ops.main(["--width", "16", "--batch-size", "2", "--repeats", "1", "--json", str(target)])
    found = json.loads(target.read_text())
    assert status == 0 and len(found["rows"]) == 39
    assert all(0 < row["accuracy"]["ours"] < 1e-5 for row in found["rows"] if row["workload"].startswith("conv"))
