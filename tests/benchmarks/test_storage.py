"""The comparison of trainings with 16 bits between layers and in float32."""

from __future__ import annotations

import pytest

from benchmarks import storage


def test_a_training_in_each_format(monkeypatch, capsys):
    assert storage.main(["--steps", "2", "--window", "2", "--seeds", "2", "--batch-size", "4"]) in (0, 1)
    out = capsys.readouterr().out
    assert "dcgan64 on built-in faces, width 8, 16x16 pictures, batch 4, 2 seeds" in out
    head, loss_d, _ = out.splitlines()[1:4]
    assert head.split() == ["steps", "loss", "direct", "bf16", "fp16"]
    means = loss_d.split()[2::2]
    assert len(set(means)) > 1  # the formats round


def test_one_seed_has_no_spread(capsys):
    with pytest.raises(SystemExit):
        storage.main(["--seeds", "1"])
    assert "got 1, expected at least 2" in capsys.readouterr().err
