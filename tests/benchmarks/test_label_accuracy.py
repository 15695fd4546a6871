"""The classifier that judges labelled samples: it learns what can be learnt, and counts what it sees."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import label_accuracy
from dcgan.data.source import ArraySource


def quadrants(count: int) -> ArraySource:
    """Grey pictures of 8x8 with one bright quadrant, whose number is the label."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, count)
    images = rng.integers(0, 60, (count, 8, 8, 1), dtype="uint8")
    for image, label in zip(images, labels, strict=True):
        image[label // 2 * 4 :, label % 2 * 4 :][:4, :4] += 150
    return ArraySource(images, "quadrants", "quadrants", labels=labels)


def test_it_learns_and_counts():
    source = quadrants(1600)
    learnt, test, labels = label_accuracy.split(source, None)
    assert len(learnt) == 1440 and len(test) == len(labels) == 160
    assert not set(learnt) & set(range(0, 1600, 10))
    net = label_accuracy.classifier((8, 8), 1, 4)
    for _ in range(3):
        net.train()
        label_accuracy.train(net, source, learnt, 4)
    assert label_accuracy.accuracy(net, test, labels) > 0.95
    assert label_accuracy.accuracy(net, test, (labels + 1) % 4) < 0.05


def test_held_out_pictures_are_all_of_the_other_file():
    source, held = quadrants(20), quadrants(10)
    learnt, test, labels = label_accuracy.split(source, held)
    assert len(learnt) == 20 and test.shape == (10, 8, 8, 1) and (labels == held.labels).all()


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_mistakes_end_in_one_line(path, capsys):
    assert label_accuracy.main([path]) == 2
    assert capsys.readouterr().err.startswith("error: ")
