"""benchmarks.table: it writes a benchmark's JSON file into a page, and refuses other files."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks import step, table  # noqa: E402


def test_the_table_is_written_between_its_comments(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.measure.machine.measured_peaks", lambda: {"sgemm_gflops": 100.0})
    target = tmp_path / "found.json"
    step.main(["--workloads", "dcgan64-nf2-b2-s16", "--rivals", "eager", "--repeats", "2", "--json", str(target)])
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
