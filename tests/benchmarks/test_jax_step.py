"""JAX as a rival of benchmarks.step: it computes what ours does, is noticed where it does not, and may be missing."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks import step
from benchmarks.measure.workloads import Ours, Workload  # noqa: E402
from benchmarks.rivals import chosen  # noqa: E402
from benchmarks.rivals.names import Rival  # noqa: E402
from benchmarks.rivals.same_step import pictures, torch_side, weights  # noqa: E402
from dcgan.sampling import lowest  # noqa: E402

needs_jax = pytest.mark.skipif(not chosen.installed(), reason="JAX is not installed")
TINY = "dcgan64-nf2-b2-s16"


@pytest.fixture(autouse=True)
def no_peaks(monkeypatch):
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", dict)


def run(tmp_path, workload=TINY, names=("jax",)):
    target = tmp_path / "found.json"
    arguments = ["--workloads", workload, "--rivals", *names, "--repeats", "1", "--json", str(target)]
    status = step.main(arguments)
    return status, json.loads(target.read_text())["rows"][0]


@needs_jax
@pytest.mark.parametrize("workload", [TINY, "dcgan64-nf2-b3-s28"])  # a first map of 4x4, and one of 7x7
def test_jax_agrees_and_is_timed(tmp_path, workload):
    status, row = run(tmp_path, workload)
    assert status == 0 and row["verified"] and row["best"] == "jax" and not row["skipped"]
    assert row["errors"]["jax"]["loss"] < 1e-4 and row["errors"]["jax"]["gradient"] < 1e-3
    assert row["errors"]["jax"]["update"] < 1e-2 and row["rivals"]["jax"] > 0


@needs_jax
@pytest.mark.parametrize("name, wrong", [("jax_networks.SLOPE", 0.3), ("jax_step.EPS", 1e-2)])
def test_a_wrong_step_is_not_verified_and_not_timed(tmp_path, monkeypatch, name, wrong):
    monkeypatch.setattr(f"benchmarks.rivals.{name}", wrong)
    status, row = run(tmp_path)
    assert status == 1 and row["verified"] is False and "ours_ms" not in row


@needs_jax
def test_running_statistics_are_those_of_pytorch():
    from benchmarks.rivals.jax_step import JaxStep

    workload = Workload.named(TINY)
    ours = Ours(workload, "cpu")
    values, low = weights(ours), lowest(ours.gan.G)
    theirs = torch_side(workload, Rival("frozen"), values, ours.batch, low, "cpu")
    jax_step = JaxStep(workload.plain(), values, pictures(ours.batch, low), ours.batch.zs[0][:, 0, 0])
    for _ in range(2):
        theirs.step()
        jax_step.step()
    for net, state in zip((theirs.G, theirs.D), jax_step.state, strict=False):
        buffers = [buffer.numpy() for buffer in net.buffers() if buffer.ndim]
        for mine, other in zip([each for pair in state.running for each in pair], buffers, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@needs_jax
def test_other_presets_are_skipped_with_a_reason(tmp_path):
    status, row = run(tmp_path, "basicgan-nf2-b2", ("eager", "jax"))
    assert status == 0 and row["skipped"] == {"jax": "written for the preset dcgan64 only"}
    assert list(row["rivals"]) == ["eager"]


@needs_jax
def test_a_row_without_any_rival_is_not_verified(tmp_path, capsys):
    status, row = run(tmp_path, "basicgan-nf2-b2")
    assert status == 1 and row["verified"] is False and "nothing to compare with" in capsys.readouterr().out


def test_a_missing_jax_is_left_out_and_refused_in_one_line_where_it_is_named(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "jax" not in [rival.name for rival in chosen.chosen(None, "cpu")]
    assert step.main(["--rivals", "jax"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "pip install 'gpunet[torch,jax]'" in error


def test_an_installed_jax_is_a_rival_by_default(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert [rival.name for rival in chosen.chosen(None, "cpu")][-1] == "jax"
