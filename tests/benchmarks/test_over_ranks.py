"""benchmarks.scaling --ranks: what it counts and verifies on real ranks, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import over_ranks, scaling
from benchmarks.cluster import sync_bn_bytes
from benchmarks.measure.workloads import Workload
from benchmarks.over_ranks import Point, require_same, row
from dcgan.gan import GAN
from mpirun import needs_mpi

TINY = Workload.named("dcgan64-nf4-b4")
ALIKE = {"drifted": [], "sums": 25.0, "bytes": 4e6}


@pytest.fixture(scope="module")
def alone():
    """Stand-ins for the first gradients: as many numbers, D's before G's."""
    gan = GAN(TINY.config, np.random.default_rng(0), "cpu")
    return np.ones(sum(grad.size for adam in (gan.adam_D, gan.adam_G) for grad in adam.grad), "float32")


def test_gradients_are_compared_with_one_rank_of_each_network(alone):
    other = alone.copy()
    other[0] += 1  # in D
    with pytest.raises(ValueError, match="gradients of D are off by"):
        require_same(Point(2, True), ALIKE, other, alone, TINY)
    other = alone.copy()
    other[-10:] += 0.1  # in G
    found = require_same(Point(2, True), ALIKE, other, alone, TINY)
    assert found["D"] == 0 and 0 < found["G"] < 1e-2
    other[-1] = np.nan
    with pytest.raises(ValueError, match="gradients of G are off by nan"):
        require_same(Point(2, True), ALIKE, other, alone, TINY)


def test_ranks_that_have_come_apart_are_told(alone):
    with pytest.raises(ValueError, match=r"ranks \[1\] have other weights than rank 0"):
        require_same(Point(2, False), ALIKE | {"drifted": [1]}, alone, alone, TINY)
    assert require_same(Point(2, False), ALIKE, 2 * alone, alone, TINY) == {}


def test_a_row_is_a_median_and_its_share():
    found = row(Point(4, True), ALIKE | {"off": {"D": 1e-6, "G": 2e-5}}, [0.2, 0.1, 0.4], 0.6)
    assert (found["ms"], found["least_ms"], found["most_ms"]) == pytest.approx((200, 100, 400))
    assert (found["faster"], found["efficiency"], found["ring_bytes"]) == pytest.approx((3, 0.75, 6e6))
    assert over_ranks.cells(found)[3:] == ["100-400", "3.00", "75%", "25", "4.0", "6.0", "as one rank, to 2e-05"]


@needs_mpi
def test_two_ranks_are_verified_and_counted(tmp_path, capsys):
    given = f"--ranks 2 --workload {TINY.name} --steps 1 --rounds 1 --json {tmp_path / 'ranks.json'}".split()
    assert scaling.main(given) == 0, capsys.readouterr().err
    rows = json.loads((tmp_path / "ranks.json").read_text())["rows"]
    assert [(each["ranks"], each["sync_bn"]) for each in rows] == [(1, False), (2, False), (2, True)]
    assert [each["sums"] for each in rows] == [0, 5, 5 + len(sync_bn_bytes(2))]
    assert rows[0]["efficiency"] == 1 and rows[2]["off"]["D"] < 1e-4
    assert "as one rank, to" in capsys.readouterr().out


@pytest.mark.parametrize("words, said", [
    ("--ranks 3", "got --ranks 3, expected a divisor of the batch of 4"),
    ("--ranks 0", "got --ranks 0, expected a divisor"),
    ("--ranks 2 --workload nothing", "got workload 'nothing'"),
    ("--ranks 2 --out plot.png", "--out and --scale belong to sizes, not to --ranks"),
    ("--ranks 2 --scale 0.1", "--out and --scale belong to sizes, not to --ranks"),
    ("--ranks 2 --steps 0", "--steps: got '0', expected a whole number of at least 1"),
    ("--ranks 2 --rounds 0", "--rounds: got '0', expected a whole number of at least 1"),
    ("--ranks 2 --json {file}/x.json", "--json: got {file}/x.json, expected a file in a folder that is there"),
    ("--ranks 2 --json {folder}", "--json: got {folder}, expected a file"),
])  # fmt: skip
def test_what_does_not_fit_is_one_line(words, said, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    words, said = (text.format(file=tmp_path / "file", folder=tmp_path) for text in (words, said))
    assert scaling.main(["--workload", TINY.name, *words.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize("words, said", [
    ("--steps 1", "--steps: got '1', expected a whole number of at least 2"),
    ("--scale 0", "--scale: got '0.0', expected a number in (0, inf)"),
    ("--workload dcgan64", "--workload belongs to --ranks, not to sizes"),
])  # fmt: skip
def test_what_does_not_fit_to_sizes_is_one_line(words, said, capsys):
    assert scaling.main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_without_mpi_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(over_ranks, "mpirun", lambda: None)
    assert scaling.main(["--ranks", "2", "--workload", TINY.name]) == 2
    assert "pip install 'gpunet[mpi]'" in capsys.readouterr().err
