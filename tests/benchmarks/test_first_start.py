"""benchmarks.first_start: when the last kernel is compiled, worked out from seconds of the processor."""

from __future__ import annotations

import pytest

from benchmarks import first_start
from benchmarks.first_start import finish, units_of_training
from gpunet import kernels
from gpunet.kernels.loader import source


@pytest.mark.parametrize(
    "seconds, cores, end",
    [
        ([], 3, 0),
        ([2], 4, 2),
        ([1, 2, 3], 1, 6),
        ([3, 2, 2, 1], 2, 4),
        ([1, 2, 2, 3], 2, 5),  # the long one last: the worse order
        ([5, 4, 3, 3, 3], 2, 10),  # 5 + 3, 4 + 3 + 3; the best would be 9
        ([1] * 32 + [0.5], 16, 2.5),
    ],
)
def test_units_end(seconds, cores, end):
    assert finish(seconds, cores) == end


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_compiles_all_its_kernels_once_and_the_longest_first(precision):
    units = units_of_training(precision)
    assert len(set(units)) == len(units) and units[0] == ("conv2d/conv2d", "float32", "")
    assert {unit[0] for unit in units} == set(kernels.of_training_on_cuda([precision]))
    apart = [unit[2] for unit in units if unit[0] == "conv2d_mma/forward_bf16"]
    assert apart == (source.parts_of("conv2d_mma/forward_bf16") if precision == "bf16" else [])


def test_the_table(monkeypatch, capsys, tmp_path):
    """Three units of 1 + 2, 1 + 4 and 1 + 6 seconds, 1 of them to load, on two cores: 3 + 7, and 5."""
    units = [("adam", "float32", ""), ("losses", "float32", ""), ("columns", "float32", "")]
    lengths = dict(zip(units, (2, 4, 6), strict=True))
    monkeypatch.setattr(first_start, "units_of_training", lambda precision: units)
    monkeypatch.setattr(first_start, "seconds_to_load", lambda: 1)
    monkeypatch.setattr(first_start, "seconds_of", lambda unit, arch: lengths[unit])
    page = tmp_path / "page.md"
    page.write_text("<!-- first start -->\nold\n<!-- end of first start -->\n", encoding="utf-8")
    assert first_start.main(["--precision", "fp32", "--cores", "2", "--write", str(page)]) == 0
    cells = [cell.strip() for cell in page.read_text(encoding="utf-8").splitlines()[3].strip("| ").split("|")]
    assert cells == ["fp32", "3", "3", "15.0", "7.0", "columns", "10.0"]
    assert first_start.main(["--cores", "1", "--write", str(tmp_path / "missing.md")]) == 2
    with pytest.raises(SystemExit):
        first_start.main(["--cores", "0"])
    assert "expected at least 1" in capsys.readouterr().err


def test_a_unit_takes_time_to_compile():
    pytest.importorskip("cupy_backends.cuda.libs.nvrtc")
    assert 0 < first_start.seconds_of(("average", "float32", ""), "sm_80") < 60
    assert 0 < first_start.seconds_to_load() < 60
