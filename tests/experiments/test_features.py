"""dcgan.features: the file holds what run.features gives; the SVM learns classes that can be told apart; misuse."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan import api, features
from dcgan.data import open_source
from dcgan.errors import UserError
from dcgan.experiments import svm
from dcgan.experiments.feature_file import Features
from gpunet import checkpoint
from running import write_pictures
from small_runs import command, folder


def test_the_file_holds_the_features(plain, tmp_path, capsys):
    out = tmp_path / "new" / "f.h5"
    assert command(features.main, plain, "--out", out) == 0
    real = open_source(plain.config.data, (16, 16)).images
    with h5py.File(out) as file:
        assert (file["features"][:] == plain.features(real)).all() and "labels" not in file
        assert file.attrs["run"] == plain.name and file.attrs["step"] == 2
    assert "features of 20 pictures" in capsys.readouterr().out and list(out.parent.iterdir()) == [out]
    assert command(features.main, plain, "--out", out) == 2
    assert "is there already" in capsys.readouterr().err
    assert command(features.main, plain, "--most 3 --overwrite --out", out) == 0
    with h5py.File(out) as file:
        assert len(file["features"]) == 3


def test_labels_are_told_and_written(labelled, tmp_path):
    assert command(features.main, labelled, "--out", tmp_path / "f.h5") == 0
    source = open_source(labelled.config.data, (16, 16), channels=labelled.config.channels)
    expected = labelled.features(source.batch(np.arange(16)), source.labels)
    with h5py.File(tmp_path / "f.h5") as file:
        assert (file["features"][:] == expected).all()
        assert (file["labels"][:] == source.labels).all()
        assert [name.decode() for name in file["classes"]] == ["cat", "dog"]


def test_a_failure_leaves_nothing_behind(plain, tmp_path, monkeypatch):
    def failing(*_):
        raise MemoryError("no more")

    monkeypatch.setattr("dcgan.api.Run.features", failing)
    assert command(features.main, plain, "--out", tmp_path / "f.h5") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def long(plain, tmp_path):
    """300 pictures: three batches."""
    return write_pictures(tmp_path / "long", 300)


def stop_at(monkeypatch, number, error=KeyboardInterrupt):
    """Make the call of this number, from 1, fail; return the list of how many pictures each call was given."""
    calls, whole = [], api.Run.features

    def features(self, pictures, labels=None):
        calls.append(len(pictures))
        if len(calls) == number:
            raise error
        return whole(self, pictures, labels)

    monkeypatch.setattr("dcgan.api.Run.features", features)
    return calls


@pytest.mark.parametrize("error, status", [(KeyboardInterrupt, 130), (MemoryError, 1)])
def test_a_stopped_command_goes_on(plain, long, tmp_path, monkeypatch, capsys, error, status):
    whole, out = tmp_path / "whole.h5", tmp_path / "f.h5"
    assert command(features.main, plain, "--data", long, "--out", whole) == 0
    with monkeypatch.context() as patch:
        stop_at(patch, 3, error)
        assert command(features.main, plain, "--data", long, "--out", out) == status
    assert (tmp_path / "f.h5.part").exists() and not out.exists()
    calls = stop_at(monkeypatch, 0)
    assert command(features.main, plain, "--data", long, "--out", out) == 0
    assert calls == [44] and "has the features of 256 pictures already" in capsys.readouterr().out
    with h5py.File(out) as found, h5py.File(whole) as expected:
        assert list(found) == list(expected) and dict(found.attrs) == dict(expected.attrs)
        assert (found["features"][:] == expected["features"][:]).all()
    assert not (tmp_path / "f.h5.part").exists()


@pytest.mark.parametrize("other", ["pictures", "weights", "damaged"])
def test_what_is_of_others_is_not_gone_on_with(plain, long, tmp_path, monkeypatch, other):
    out, run = tmp_path / "f.h5", folder(plain)
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        assert command(features.main, plain, "--data", long, "--out", out) == 130
    if other == "pictures":
        Image.new("RGB", (16, 16)).save(long / "00.png")
    if other == "weights":
        run = str(shutil.copytree(run, tmp_path / "other" / plain.name))
        (file,) = Path(run, "checkpoints").glob("0*.h5")
        state = checkpoint.load(file)
        state["gan"]["D"]["0.weight"] += 1
        checkpoint.save(file, state)
    if other == "damaged":
        (tmp_path / "f.h5.part").write_bytes(b"damaged")
    calls = stop_at(monkeypatch, 0)
    assert features.main([run, "--data", str(long), "--out", str(out)]) == 0
    assert sum(calls) == 300


def two_kinds(count, seed):
    """Features of two classes that a plane tells apart, one in twenty of them labelled wrongly."""
    rng = np.random.default_rng(seed)
    rows, labels = rng.standard_normal((count, 6)).astype("float32"), rng.integers(0, 2, count)
    rows[:, 0] += 6 * labels - 3
    return Features(rows, labels, ["a", "b"])


def test_the_machine_learns_what_can_be_told_apart():
    pytest.importorskip("sklearn")
    train, test = two_kinds(400, 0), two_kinds(300, 1)
    for labelled, examples in ((None, 320), (20, 20)):
        found = svm.judge(train, test, labelled, np.random.default_rng(0))
        assert found.accuracy > 0.97 and found.examples == examples and found.C in svm.CANDIDATES
    wrong = Features(train.rows, np.random.default_rng(2).permutation(train.labels), train.classes)
    assert svm.judge(wrong, test, None, np.random.default_rng(0)).accuracy < 0.8


@pytest.mark.parametrize("labelled, learnt, held_out", [(None, 16, 4), (6, 6, 14), (7, 6, 14)])
def test_the_split(labelled, learnt, held_out):
    labels = np.arange(20) % 2
    ours, others = svm.split(labels, labelled, np.random.default_rng(0))
    assert len(ours) == learnt and len(others) == held_out and not set(ours) & set(others)
    if labelled:
        assert (labels[ours] == 0).sum() == (labels[ours] == 1).sum()


@pytest.mark.parametrize(
    "labels, labelled, said",
    [
        (np.zeros(9, int), None, "all pictures are of one class"),
        (np.arange(2), None, "too few to learn two classes from"),
        (np.arange(20) % 2, 1, "--labelled: got 1, expected 2 to 19"),
        (np.arange(20) % 2, 20, "expected 2 to 19"),
        (np.array([0, 0, 0, 0, 1]), 4, "expected 2 to 2"),
    ],
)
def test_too_few_examples(labels, labelled, said):
    with pytest.raises(UserError, match=said):
        svm.split(labels, labelled, np.random.default_rng(0))


def test_the_svm_of_the_command(labelled, tmp_path, capsys):
    pytest.importorskip("sklearn")
    (tmp_path / "test").mkdir()
    for name in ("cat", "dog"):
        write_pictures(tmp_path / "test" / name, 5)
    assert command(features.main, labelled, "--svm --labelled 8 --repeats 2 --test", tmp_path / "test") == 0
    said = capsys.readouterr().out
    assert said.count("8 examples, C ") == 2 and "of 10 test pictures" in said and "mean of 2: " in said
    assert "has learnt" not in capsys.readouterr().err
    assert command(features.main, labelled, "--svm --test", labelled.config.data) == 0
    assert "--test has the pictures of --data, from which the machine has learnt" in capsys.readouterr().err
    write_pictures(tmp_path / "test" / "bird", 5)
    assert command(features.main, labelled, "--svm --test", tmp_path / "test") == 2
    assert "expected 0 to 1" in capsys.readouterr().err


def test_without_scikit_learn(plain, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    assert command(features.main, plain, "--svm --test x") == 2
    assert "pip install 'gpunet[svm]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("", "expected --out FILE.h5, or --svm"),
        ("--out a.npz", "expected a file name ending in .h5"),
        ("--svm", "--svm: expected --test"),
        ("--test a --out a.h5", "--test: goes with --svm"),
        ("--labelled 5 --out a.h5", "--labelled: goes with --svm"),
        ("--data nowhere --out a.h5", "nowhere"),
        ("--seed x --out a.h5", "--seed: got 'x'"),
    ],
)
def test_misuse(plain, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert features.main([folder(plain), *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_pictures_without_labels(plain, capsys, monkeypatch):
    monkeypatch.setattr(svm, "require", lambda: None)
    assert command(features.main, plain, "--svm --test", plain.config.data) == 2
    assert "--data: these pictures have no labels" in capsys.readouterr().err
