"""benchmarks.step at a tiny size: the file that it writes, and that it notices a wrong number."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from benchmarks import step  # noqa: E402
from gpunet import optim  # noqa: E402
from gpunet.layers import Conv2d  # noqa: E402

TINY = ["--workloads", "dcgan64-nf2-b2-s16", "--rivals", "eager", "frozen+fused+channels_last", "--repeats", "2"]


@pytest.fixture(autouse=True)
def no_peaks(monkeypatch):
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", lambda: {"sgemm_gflops": 100.0})


def run(tmp_path):
    target = tmp_path / "found.json"
    status = step.main([*TINY, "--json", str(target)])
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


def test_a_wrong_name_gives_exit_status_2():
    assert step.main(["--workloads", "nothing-nf8"]) == 2
    assert step.main(["--rivals", "fast"]) == 2
