"""dcgan.neighbours: the nearest pictures against a plain search, samples that are copies, misuse."""

import numpy as np
import pytest
from PIL import Image

from dcgan import neighbours
from dcgan.data import open_source
from dcgan.doctoring.data import distances
from dcgan.experiments.nearest import Nearest
from small_runs import cells, command, folder


def test_batches_find_what_a_search_in_all_rows_finds():
    rng = np.random.default_rng(0)
    x, rows = rng.standard_normal((4, 3)), rng.standard_normal((11, 3))
    found = Nearest(x, 3)
    for start in range(0, 11, 4):
        found.see(np.arange(start, min(start + 4, 11)), rows[start : start + 4])
    for i in range(4):
        by_hand = sorted((np.sqrt(np.mean((x[i] - row) ** 2)), j) for j, row in enumerate(rows))[:3]
        assert [j for _, j in by_hand] == list(found.indices[i])
        assert np.allclose([distance for distance, _ in by_hand], found.distances[i])


def test_a_row_is_no_neighbour_of_its_own():
    rows = np.array([[0.0], [1.0], [5.0]])
    found = Nearest(rows, 3, np.arange(3))
    found.see(np.arange(3), rows)
    assert found.indices.tolist() == [[1, 2, -1], [0, 2, -1], [1, 0, -1]]


def test_the_sheet_shows_samples_and_their_nearest(plain, tmp_path, capsys):
    assert command(neighbours.main, plain, "--count 3 --k 2 --seed 4 --out", tmp_path / "a.png") == 0
    found, texts = cells(tmp_path / "a.png", 3)
    samples, real = plain.sample(3, seed=4), open_source(plain.config.data, (16, 16)).images
    nearest = np.argsort(distances(samples, real), axis=1)[:, :2]
    assert (found[:, 0] == samples).all() and (found[:, 1:] == real[nearest]).all()
    assert texts["Software"] == "dcgan.neighbours" and texts["by"] == "pixels"
    said = capsys.readouterr().out
    assert "no sample is a copy" in said and "20 images" in said and "3 samples of seed 4, each with its 2" in said


def test_copies_are_noticed(plain, tmp_path, capsys):
    """The data are samples of the run themselves, among pictures that are far from each other."""
    place = tmp_path / "data"
    place.mkdir()
    for i, sample in enumerate(plain.sample(64)):
        Image.fromarray(sample).save(place / f"{i}.png")
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (100, 16, 16, 3), dtype="uint8")):
        Image.fromarray(pixels).save(place / f"other{i}.png")
    assert command(neighbours.main, plain, "--data", place, "--out", tmp_path / "a.png") == 0
    assert "learnt pictures by heart" in capsys.readouterr().out


@pytest.mark.parametrize("copies, said", [(0, "no sample is a copy"), (3, "a few samples may be"), (20, "by heart")])
def test_the_verdict(copies, said):
    of_samples = np.where(np.arange(100) < copies, 1.0, 10.0)
    text = neighbours.verdict(of_samples, np.full(100, 9.0), "pixels")
    assert said in text and f"nearer than 0.4 of that: {copies} of 100" in text


def test_features_and_labels(labelled, tmp_path, capsys):
    assert command(neighbours.main, labelled, "--by features --k 3 --count 2 --out", tmp_path / "a.png") == 0
    real = open_source(labelled.config.data, (16, 16), channels=labelled.config.channels)
    pictures = real.batch(np.arange(16))
    there = labelled.features(pictures, real.labels)
    ours = labelled.features(labelled.sample(2), [0, 1])
    nearest = np.argsort(distances(ours, there), axis=1)[:, :3]
    found, _ = cells(tmp_path / "a.png", 4)
    assert (found[:, 1:] == pictures[nearest]).all()
    assert "in D's features" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--k 0 --out a.png", "--k: got '0'"),
        ("--by colour --out a.png", "--by: got 'colour', expected one of pixels, features"),
        ("--count 129 --out a.png", "--count: got '129', expected a whole number from 1 to 128"),
        ("--data nowhere --out a.png", "nowhere"),
        ("--most 1 --out a.png", "got 1 picture, expected 2 or more"),
        ("--most 0 --out a.png", "--most: got '0'"),
        ("--out a.jpg", "expected a .png file"),
        ("", "--out"),
    ],
)
def test_misuse(plain, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert neighbours.main([folder(plain), *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_classes_without_labels(labelled, tmp_path, capsys):
    Image.new("RGB", (16, 16)).save(tmp_path / "1.png")
    Image.new("RGB", (16, 16), "red").save(tmp_path / "2.png")
    arguments = ("--by features --data", tmp_path, "--out", tmp_path / "x.png")
    assert command(neighbours.main, labelled, *arguments) == 2
    assert "told classes, and these pictures have no labels" in capsys.readouterr().err
