"""Tables in pages: they replace what stands between two comments."""

from __future__ import annotations

import pytest

from benchmarks.measure.text_table import table, write_between


def test_tables_go_between_their_comments(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- t -->\nold\n<!-- end of t -->\nafter\n")
    write_between(page, "t", table(["name", "n"], [["a", 12], ["bc", 0.5]], markdown=True))
    lines = ["before", "<!-- t -->", "| name |   n |", "| ---- | --: |", "| a    |  12 |", "| bc   | 0.5 |"]
    assert page.read_text().splitlines() == [*lines, "<!-- end of t -->", "after"]
    with pytest.raises(ValueError, match="got 0 places"):
        write_between(page, "other", "")
