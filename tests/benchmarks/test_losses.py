"""The comparison of trainings by their losses: what is within the spread of seeds, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import losses
from dcgan.measuring.features import classifier
from running import write_pictures


def test_what_leaves_the_spread_is_named():
    direct = np.stack([np.full((4, 2), level) for level in (1.0, 1.5)])  # two seeds, four steps, both losses
    near, far = direct + 0.4, direct.copy()
    far[:, 2:, 1] += 2.0  # the second window's loss of G
    lines, strays = losses.compare({"direct": direct, "near": near, "far": far}, window=2)
    assert strays == ["far, loss_g, from step 3"]
    assert len(lines) == 1 + 4
    assert lines[1].split() == ["1-2", "loss_d", "1.250", "+-0.354", "1.650", "+-0.354", "1.250", "+-0.354"]


def test_a_training_with_each_algorithm(capsys):
    assert losses.main(["--steps", "4", "--window", "2", "--seeds", "2", "--width", "2", "--batch-size", "4"]) in (0, 1)
    assert "dcgan64 on built-in faces, width 2, batch 4, 2 seeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, words", [("--data /nonexist", "no such file or folder: '/nonexist'"), ("--seeds 1", "--seeds: got 1")]
)
def test_mistakes_are_one_line(options, words, capsys):
    assert losses.main(options.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {words}") and error.count("\n") == 1


def test_a_distance_that_leaves_the_spread_is_named():
    found = {"direct": np.array([20.0, 22.0, 24.0]), "auto": np.array([21.0, 23.0, 26.0]), "far": np.array([40.0] * 3)}
    line, strays = losses.compare_distances(found)
    assert strays == ["far, Frechet distance"] and line.split()[2:4] == ["22.00", "+-"] and "40.00" in line


def test_the_frechet_distances_of_labelled_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DCGAN_QUICK", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "SETTINGS", classifier.SETTINGS | {"width": 4})
    for name in ("cats", "dogs"):
        (tmp_path / "kinds").mkdir(exist_ok=True)
        write_pictures(tmp_path / "kinds" / name, 10)
    assert losses.main(["--data", str(tmp_path / "kinds"), "--algorithms", "auto", "--seeds", "2"]) in (0, 1)
    out = capsys.readouterr().out
    assert out.count("Frechet distance") >= 5 and "winograd2" not in out
    assert f"carpedm20-mnist on {tmp_path / 'kinds'}, width 4" in out
