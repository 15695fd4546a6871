"""benchmarks.step and ops at tiny sizes: what they write, that they notice a wrong number, and the table of it."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import ops, step, table  # noqa: E402
from benchmarks.measure import timing
from benchmarks.measure.workloads import DEFAULT, Workload  # noqa: E402
from benchmarks.op_case import Maker  # noqa: E402
from benchmarks.op_cases import others  # noqa: E402
from gpunet import optim  # noqa: E402
from gpunet.layers import Conv2d  # noqa: E402

TINY = ["--workloads", "dcgan64-nf2-b2-s16", "--rivals", "eager", "frozen+fused+channels_last", "--repeats", "2"]


@pytest.fixture(autouse=True)
def no_peaks(monkeypatch):
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", lambda: {"sgemm_gflops": 100.0})


def run(tmp_path, arguments=TINY, command=step):
    target = tmp_path / "found.json"
    status = command.main([*arguments, "--json", str(target)])
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


def test_ops_notice_a_wrong_operation(monkeypatch):
    case = next(case for case in others(Maker("cpu"), 2, 1) if case.name == "loss")
    assert ops.row(case, "cpu", 1)["verified"]
    wrong = ops.row(case._replace(ours=lambda: [2 * value for value in case.ours()]), "cpu", 1)
    nan = ops.row(case._replace(ours=lambda: [np.float32(math.nan) * value for value in case.ours()]), "cpu", 1)
    assert not wrong["verified"] and not nan["verified"] and "ours_ms" not in wrong


def test_every_op_agrees_with_pytorch(tmp_path):
    """Width 16, for the Winograd forms; what is timed is verified first, so one round shows it."""
    status, found, _ = run(tmp_path, ["--width", "16", "--batch-size", "2", "--repeats", "1"], ops)
    assert status == 0 and len(found["rows"]) == 39
    assert all(0 < row["accuracy"]["ours"] < 1e-5 for row in found["rows"] if row["workload"].startswith("conv"))


def test_the_table_is_written_between_its_comments(tmp_path):
    _, _, target = run(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{table.BEFORE}\n\nmore\n")
    for _ in range(2):  # the second time replaces the first
        assert table.main([str(target), "--write", str(page)]) == 0
    text = page.read_text()
    assert text.count("## How fast") == text.count("| dcgan64-nf2-b2-s16 |") == 1
    assert text.startswith("# Title\n") and text.endswith(f"{table.BEFORE}\n\nmore\n")


def test_a_file_of_another_kind_ends_in_one_line(tmp_path, capsys):
    (tmp_path / "other.json").write_text("{}")
    assert table.main([str(tmp_path / "other.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_sides_take_turns_and_medians_are_of_all_rounds():
    order, values = [], iter([1, 10, 20, 2, 3, 30])
    sides = {name: lambda name=name: order.append(name) or next(values) for name in ("a", "b")}
    found = timing.alternate(sides, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found["a"] == timing.Timed(2000, 1000, 3000) and found["b"] == timing.Timed(20000, 10000, 30000)


def test_names_of_workloads():
    assert Workload.named("carpedm20-mnist-nf8-b4").preset == "carpedm20-mnist"
    reference = Workload.named(DEFAULT[-1])
    assert (reference.width, reference.batch, reference.implementation) == (64, 64, "reference")
    assert step.main(["--workloads", "nothing-nf8"]) == 2
    assert step.main(["--rivals", "fast"]) == 2
