"""The command: its table, what it keeps in measure.json, halves of data, and mistakes."""

import json
import struct

import numpy as np
import pytest

from dcgan import measure
from dcgan.measuring import results, split
from dcgan.measuring.features import classifier
from running import TINY, run_train, words, write_pictures

PLACE = "--device cpu --implementation reference"


def run_measure(*arguments):
    return measure.main(words(arguments))


@pytest.fixture
def trained(often, run):
    """A run of two steps."""
    assert run_train(*often, "--steps 2") == 0
    return run


def kept(run):
    return json.loads((run / "measure.json").read_text())


def test_the_table_and_what_is_kept(trained, tmp_path, capsys):
    assert run_measure(trained, PLACE, "--count 18 --seeds 3") == 0
    out = capsys.readouterr().out
    for word in ("18 pictures by 0001-dcgan64, step 2, ema weights, against 18 real", "interval of 95 %", "Frechet",
                 "KID", "precision", "recall", "density", "coverage", "note: these are features of this run's own D",
                 "measure.json"):  # fmt: skip
        assert word in out
    (found,) = kept(trained)
    assert (found["run"], found["step"], found["weights"], found["count"]) == ("0001-dcgan64", 2, "ema", 18)
    assert (found["seeds"], found["real_count"], found["split"]) == ([0, 1, 2], 18, "all")
    assert found["features"] == {"name": "discriminator", "numbers": 8} and "20 images" in found["data_is"]
    assert (found["image_size"], found["resize"], found["crop"]) == ("16x16", "bicubic, antialiased", None)
    assert set(found["result"]) == {"frechet", "kid", "precision", "recall", "density", "coverage"}
    each = found["result"]["frechet"]
    assert len(each["each"]) == 3 and each["low"] < each["mean"] < each["high"]


def test_a_result_repeats_and_is_appended(trained):
    for _ in range(2):
        assert run_measure(trained, PLACE, "--count 7") == 0
    first, second = kept(trained)
    assert first["warnings"][1].startswith("7 pictures cannot fill 8 features: the Frechet distance is too large")
    assert first == second and "low" not in first["result"]["kid"]


def test_a_checkpoint_other_weights_and_other_data(trained, tmp_path):
    other = write_pictures(tmp_path / "other", 9)
    file = trained / "checkpoints/000002.h5"
    assert run_measure(file, PLACE, "--count 12 --weights raw --data", other) == 0
    (found,) = kept(trained)
    assert (found["weights"], found["count"], found["real_count"], found["data"]) == ("raw", 12, 9, str(other))


def test_features_of_a_classifier(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "SETTINGS", classifier.SETTINGS | {"steps": 2, "width": 4})
    assert run_measure(trained, PLACE, "--count 12 --features classifier") == 0
    assert "training a classifier of 4 turns" in capsys.readouterr().out
    (found,) = kept(trained)
    assert found["features"]["name"] == "classifier" and len(found["features"]["sha256"]) == 64


def test_a_conditional_run(often, runs, tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "kinds").mkdir(exist_ok=True)
        write_pictures(tmp_path / "kinds" / name, 8)
    options = ["--preset carpedm20-mnist --steps 2", PLACE, "--width 4 --batch-size 8 --no-progress --samples 4"]
    assert run_train(*options, "--data", tmp_path / "kinds", "--out", runs) == 0
    run = runs / "0001-carpedm20-mnist"
    assert run_measure(run, PLACE, "--count 12") == 0
    assert kept(run)[0]["features"]["numbers"] == 4 + 2  # the width, and the classes
    assert run_measure(run, PLACE, "--count 12 --data", tmp_path / "kinds/cats") == 2


@pytest.mark.parametrize(
    "options, line",
    [
        ("--count 5", "--count: got '5', expected a whole number of at least 6"),
        ("--seeds 11", "--seeds: got '11', expected a whole number from 1 to 10"),
        ("--split half", "--split: got 'half', expected one of all, train, test"),
        ("--feature-range 0-1", "--feature-range: got '0-1', expected one of unit"),
        ("--weights best", "--weights: got 'best', expected one of ema, raw"),
        ("--split test", "--split test: got none in "),
        ("--data nowhere", "nowhere"),
        ("--features nowhere.onnx", "nowhere.onnx"),
    ],
)
def test_mistakes(trained, options, line, capsys):
    assert run_measure(trained, PLACE, options) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and line in error and not (trained / "measure.json").exists()


def test_no_run(tmp_path, capsys):
    assert run_measure(tmp_path / "none") == 2 and "no such run folder or checkpoint" in capsys.readouterr().err
    assert run_measure(tmp_path) == 2 and "is no run folder" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[" * 100_000, "\x00"])
def test_a_damaged_file_is_told_before_anything_is_measured(trained, content, capsys):
    (trained / "measure.json").write_text(content)
    assert run_measure(trained, PLACE) == 2
    captured = capsys.readouterr()
    assert "measure.json" in captured.err and "real pictures" not in captured.out
    assert (trained / "measure.json").read_text() == content


def test_the_interval_is_that_of_student():
    """Values 1, 2, 3: mean 2, deviation 1, t = 4.303 for 2 degrees of freedom, so 2 -+ 4.303 / sqrt(3)."""
    found = results.interval([1.0, 2.0, 3.0])
    assert found["mean"] == 2 and found["high"] - 2 == pytest.approx(2.4843, abs=1e-3)
    assert 2 - found["low"] == pytest.approx(found["high"] - 2) and "low" not in results.interval([1.0])


def test_the_interval_ends_where_the_number_does():
    """Values 0.4 and 0.8: mean 0.6, deviation 0.2828, so 0.6 -+ 12.706 * 0.2828 / sqrt(2), which is 2.5412."""
    for name, ends in (("precision", (0, 1)), ("density", (0, 3.1412)), ("kid", (-1.9412, 3.1412))):
        found = results.interval([0.4, 0.8], name)
        assert (found["low"], found["high"]) == pytest.approx(ends, abs=1e-3)
    rounded = results.interval([-1e-9, -1e-9], "frechet")  # a distance of 0
    assert rounded["low"] <= rounded["mean"] <= rounded["high"]


@pytest.mark.parametrize("seeds, wide", [(1, False), (2, True), (3, False)])
def test_two_draws_are_said_to_give_no_usable_interval(trained, seeds, wide, capsys):
    assert run_measure(trained, PLACE, f"--count 7 --seeds {seeds}") == 0
    out = capsys.readouterr().out
    assert ("note: the interval of two draws is too wide" in out) == wide and out.count("drawing 7 pictures") == seeds


def idx(path, count):
    pixels = np.random.default_rng(count).integers(0, 256, (count, 5, 5), "uint8")
    path.write_bytes(struct.pack(">IIII", 0x803, count, 5, 5) + pixels.tobytes())


def test_the_halves_of_a_folder(tmp_path):
    idx(tmp_path / "train-images-idx3-ubyte", 3)
    idx(tmp_path / "t10k-images-idx3-ubyte", 2)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"")
    assert split.half(str(tmp_path), "train") == str(tmp_path / "train-images-idx3-ubyte")
    assert split.half(str(tmp_path), "test") == str(tmp_path / "t10k-images-idx3-ubyte")
    assert split.half(str(tmp_path), "all") == str(tmp_path)
    assert split.halves(str(tmp_path)) == ["t10k-images-idx3-ubyte", "train-images-idx3-ubyte"]
    (tmp_path / "pictures/Test").mkdir(parents=True)
    assert split.half(str(tmp_path / "pictures"), "test") == str(tmp_path / "pictures/Test")


TRAIN = "mnist/train-images-idx3-ubyte"


@pytest.mark.parametrize(
    "learnt, options, more, seen",
    [
        (TRAIN, "--split all", "", ""),
        (TRAIN, "--data mnist --split test", "", ""),
        ("mnist", "--split all", "", ""),
        ("mnist", "--split test", "", "learnt"),
        ("mnist", "--split train", "", "learnt"),
        ("mnist", "--data mnist/../mnist --split test", "", "learnt"),
        ("mnist", "--data mnist/t10k-images-idx3-ubyte", "", "learnt"),
        ("mnist", "--split test", "--train-size 9", "may have learnt"),
    ],
)
def test_pictures_that_the_run_learnt_from_are_said(runs, tmp_path, monkeypatch, learnt, options, more, seen, capsys):
    """The run is trained on one half or on the folder of both, then measured."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()
    idx(tmp_path / TRAIN, 10)
    idx(tmp_path / "mnist/t10k-images-idx3-ubyte", 8)
    assert run_train(*TINY, f"--steps 1 --channels 1 --data {learnt} {more}", "--out", runs) == 0
    capsys.readouterr()
    assert run_measure(runs / "0001-dcgan64", PLACE, "--count 8", options) == 0
    out, (found,) = capsys.readouterr().out, kept(runs / "0001-dcgan64")
    said = [text for text in found["warnings"] if "learnt from these pictures, too" in text]
    assert bool(said) == bool(seen) == ("note: the run" in out)
    if said:
        assert said[0].startswith(f"the run {seen} from") and said[0].endswith(f"train with --data {tmp_path / TRAIN}")
