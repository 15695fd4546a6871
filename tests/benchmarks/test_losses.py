"""The comparison of trainings by their losses: what is within the spread of seeds, and what is not."""

from __future__ import annotations

import numpy as np

from benchmarks import losses


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
    assert "dcgan64, width 2, batch 4, 2 seeds" in capsys.readouterr().out
