"""benchmarks.nearest_error: the error against a plain search, right and wrong labels, misuse."""

import numpy as np

from benchmarks import nearest_error
from running import write_pictures
from small_runs import folder


def test_the_error_is_that_of_a_plain_search():
    rng = np.random.default_rng(0)
    known, test = (rng.integers(0, 256, (count, 4, 4, 1), dtype="uint8") for count in (30, 9))
    of_known, labels = rng.integers(0, 3, 30), rng.integers(0, 3, 9)
    nearest = [np.argmin([((one.astype(float) - other) ** 2).sum() for other in known]) for one in test]
    expected = np.mean(of_known[nearest] != labels)
    batches = [(known[start : start + 7], of_known[start : start + 7]) for start in range(0, 30, 7)]
    assert nearest_error.error(batches, test, labels) == expected and 0 < expected < 1
    assert nearest_error.error([(test, labels)], test, labels) == 0
    assert nearest_error.error([(test, (labels + 1) % 3)], test, labels) == 1


def test_the_command(labelled, tmp_path, capsys):
    (tmp_path / "test").mkdir()
    for name in ("cat", "dog"):
        write_pictures(tmp_path / "test" / name, 4)
    assert nearest_error.main([folder(labelled), "--test", str(tmp_path / "test"), "--count", "130"]) == 0
    said = capsys.readouterr().out
    assert (
        "130 pictures of G: " in said and "16 real pictures: 50.00 % wrong of 8" in said
    )  # cats and dogs are the same


def test_misuse(plain, labelled, tmp_path, capsys):
    pictures = str(write_pictures(tmp_path / "data", 3))
    for run, more, said in (
        (plain, [], "is told no labels"),
        (labelled, [], "got pictures without labels"),
        (labelled, ["--count", "0"], "expected 1 or more"),
    ):
        assert nearest_error.main([folder(run), "--test", pictures, *more]) == 2
        assert said in capsys.readouterr().err
