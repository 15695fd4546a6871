"""The benchmark of reading pictures runs, and refuses to time pictures that differ."""

import sys

import numpy as np
import pytest

from benchmarks import pipeline
from dcgan.data import opening
from dcgan.data.formats import listing

ARGUMENTS = "pipeline --count 40 --width 2 --batch-size 4 --steps 2 --device cpu"


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(opening, "CACHE_FROM", opening.CACHE_FROM)
    monkeypatch.setattr(sys, "argv", ARGUMENTS.split())


def test_the_table(capsys):
    pipeline.main()
    lines = capsys.readouterr().out.splitlines()[1:]
    assert sum(line.endswith("steps/s") for line in lines) == 4 and sum(line.endswith("%") for line in lines) >= 2
    assert all(float(line.split()[-2]) > 0 for line in lines if line.strip())


def test_other_pictures_are_not_timed(monkeypatch):
    count, decode = [], listing.decode
    monkeypatch.setattr(listing, "decode", lambda *a: np.uint8(len(count.append(1) or count) % 256) ^ decode(*a))
    with pytest.raises(SystemExit, match="not those of the files"):
        pipeline.main()
