"""benchmarks.invert: it tells what was verified, fails where the search finds too little, and mistakes are one line."""

import pytest

import dcgan
from benchmarks import invert

SMALL = {"width": 4, "image_size": 16, "z_dim": 5, "batch_size": 8, "samples": 6, "steps": 3, "device": "cpu"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    run = dcgan.train(out=tmp_path_factory.mktemp("runs"), train_size=20, **SMALL)
    return f"{run.config.out}/{run.name}"


def test_what_was_verified_is_told(folder, capsys):
    assert invert.main([folder, "--count", "3", "--samples", "30", "--steps", "120"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("(verified)") == 2 and "3 pictures, 120 steps: " in printed and "FAILED" not in printed


def test_a_search_that_finds_too_little_fails(folder, capsys, monkeypatch):
    monkeypatch.setattr(invert, "LEAST", 90.0)
    assert invert.main([folder, "--count", "2", "--samples", "30", "--steps", "1"]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_mistakes_end_in_one_line(capsys):
    assert invert.main(["nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
