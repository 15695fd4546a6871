"""Runs on files that are decoded while they train: the same bytes whether decoded late, early or before."""

import shutil

import pytest

from dcgan.data import opening
from dcgan.data.storage import growing
from running import content, run_train

pytestmark = pytest.mark.usefixtures("numbers_for_plot")


@pytest.fixture
def large(often, tmp_path, monkeypatch):
    """The 20 pictures of a tiny training count as very many; two of them are damaged."""
    monkeypatch.setattr(opening, "CACHE_FROM", 10)
    monkeypatch.setattr(growing, "AT_ONCE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("07.png", "19.png"):
        (tmp_path / "data" / name).write_text("damaged")
    return often


@pytest.mark.parametrize("order", [[], ["--last-batch", "wrap"]])
def test_two_halves_are_the_whole_whatever_was_decoded_when(large, runs, tmp_path, order, capsys):
    assert run_train(*large, *order, "--steps", 10) == 0
    said = capsys.readouterr().out
    assert "19 of them are decoded while training runs" in said and "2 files could not be read: " in said
    shutil.rmtree(tmp_path / "cache")
    assert run_train(*large, *order, "--steps", 5) == 0
    shutil.rmtree(tmp_path / "cache")
    assert run_train("--resume", runs / "0002-dcgan64", "--steps", 10, "--no-progress") == 0
    assert run_train(*large, *order, "--steps", 10) == 0  # from the cache
    whole, halves, cached = (content(runs / f"{number:04d}-dcgan64") for number in (1, 2, 3))
    assert {name for name in whole if halves[name] != whole[name]} == set()
    assert {name for name in whole if cached[name] != whole[name]} == set()
    assert whole["skipped.txt"] == b"".join(
        name + b"\tnot a picture of a known format\n" for name in (b"07.png", b"19.png")
    )
