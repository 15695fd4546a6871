"""The plots of benchmarks: a name for every layer, plain numbers; a file of another kind is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from benchmarks import roofline_plot
from pages import OPERATIONS


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def test_the_roofline_is_a_picture(tmp_path):
    (tmp_path / "ops.json").write_text(json.dumps(OPERATIONS))
    assert roofline_plot.main([str(tmp_path / "ops.json"), "--out", str(tmp_path / "roofline.png")]) == 0
    with Image.open(tmp_path / "roofline.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert {(0, 0x72, 0xB2), (0xCC, 0x79, 0xA7)} <= set(map(tuple, colours.tolist()))  # a convolution's, and Adam's


def test_layers_near_each_other_share_a_name(axes):
    names = (
        ("conv-k4-8x8x2-4x4x4-forward", 10),
        ("conv-k4-4x4x4-2x2x8-forward", 11),
        ("conv-k4-2x2x8-1x1x1-forward", 30),
    )
    rows = [{"workload": name, "gflop": flops / 1e3, "mbytes": 1} for name, flops in [*names, ("adam", 11)]]
    axes.set_ylim(1, 100)
    roofline_plot.name_layers(axes, rows)
    texts = [(text.get_position()[0], text.get_text()) for text in axes.texts]
    assert texts == [(10, "4x4x4 to 2x2x8\n8x8x2 to 4x4x4"), (30, "2x2x8 to 1x1x1")]
    assert axes.get_ylim() == pytest.approx((1 / 30, 100))


@pytest.mark.parametrize("content", ["{}", "no JSON", json.dumps({"rows": OPERATIONS["rows"], "machine": {}})])
def test_a_file_of_another_kind_is_refused(content, tmp_path, capsys):
    (tmp_path / "ops.json").write_text(content)
    assert roofline_plot.main([str(tmp_path / "ops.json"), "--out", str(tmp_path / "x.png")]) == 2
    assert "expected a file of benchmarks.ops" in capsys.readouterr().err and not (tmp_path / "x.png").exists()


def found(axis, value, side, ms):
    name = {"batch": f"dcgan64-nf64-b{value}", "width": f"dcgan64-nf{value}-b32"}
    workload = name.get(axis, f"dcgan64-nf32-b32-s{value}")
    return {"axis": axis, "value": value, "side": side, "ms": ms, "peak_mb": 100 + ms, "workload": workload}


def test_scaling(tmp_path, axes, monkeypatch):
    pytest.importorskip("torch")  # the other side
    from benchmarks import scaling

    rows = [
        found(axis, value, side, 3 * value) for axis in scaling.AXES for value in (32, 64) for side in scaling.SIDES
    ]
    scaling.save_plot(tmp_path / "scaling.png", rows, "a machine")
    with Image.open(tmp_path / "scaling.png") as image:
        assert image.size == (1200, 750)
    assert scaling.fixed("batch", "dcgan64-nf64-b32") == "64 filters, pictures of 64x64"
    assert scaling.fixed("picture size", "dcgan64-nf32-b16-s128") == "batch 16, 32 filters"
    scaling.draw(axes, [row for row in rows if row["axis"] == "width"], "ms")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["100"]  # between 96 and 192 ms
    times = iter([5.0, 9.0, 7.0, 2.0])  # ours, PyTorch, ours, PyTorch: in turn
    monkeypatch.setattr(scaling, "once", lambda *a: {"seconds": [9, next(times) / 1e3], "peak_mb": 1})
    best = scaling.measured(scaling.Workload.named("dcgan64-nf2-b2"), 2, 2)
    assert {side: ms for side, (ms, _) in best.items()} == pytest.approx({"ours": 5, "PyTorch": 2})
