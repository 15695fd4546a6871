"""Labels beside arrays, as people write them: numbers of any type, one-hot rows, names; and what is refused."""

import h5py
import numpy as np
import pytest

from dcgan.data.formats.class_numbers import class_numbers
from dcgan.errors import UserError
from opened import noise, opened, refusal

IMAGES, NUMBERS = noise(6, 8, 8, 3), np.array([0, 1, 2, 0, 1, 2])
DIGITS = ["0", "1", "2"]
ANIMALS = ["ant", "cat", "dog"]
TAKEN = {
    "whole numbers": (NUMBERS, DIGITS),
    "a column": (NUMBERS[:, None].astype("uint8"), DIGITS),
    "floating point": (NUMBERS.astype("f4"), DIGITS),
    "floating point of 2 bytes": (NUMBERS.astype("f2"), DIGITS),
    "floating point of 16 bytes": (NUMBERS.astype(np.longdouble), DIGITS),
    "from 1 on": (NUMBERS + 1, ["1", "2", "3"]),
    "one-hot": (np.eye(3)[NUMBERS], DIGITS),
    "one-hot, true and false": (np.eye(3, dtype=bool)[NUMBERS], DIGITS),
    "names": (np.array(ANIMALS)[NUMBERS], ANIMALS),
    "names as bytes": (np.array(ANIMALS)[NUMBERS].astype("S"), ANIMALS),
    "names with numbers": (np.array(["s1", "s2", "s10"])[NUMBERS], ["s1", "s2", "s10"]),
}
REFUSED = {
    "too many": np.arange(7),
    "too few": np.arange(5),
    "below 0": NUMBERS - 1,
    "not whole": NUMBERS + 0.5,
    "NaN": np.where(NUMBERS > 0, NUMBERS, np.nan),
    "infinite": np.where(NUMBERS > 0, NUMBERS, np.inf),
    "too large": NUMBERS * 5000,
    "larger than a float64": np.where(NUMBERS > 0, NUMBERS, np.finfo(np.longdouble).max),
    "far too large": NUMBERS.astype("u8") + 2**63,
    "two columns": np.stack([NUMBERS, NUMBERS], 1),
    "attributes": np.ones((6, 40), int),
    "shares": np.full((6, 3), 1 / 3),
    "complex": NUMBERS.astype("c8"),
}


def saved(folder, kind, labels):
    """Images and labels in a file of a kind; the path to open."""
    path = folder / f"a.{kind}"
    if kind == "npz":
        np.savez(path, x=IMAGES, y=labels)
    elif kind == "npy":
        np.save(path, IMAGES)
        np.save(folder / "a_labels.npy", labels)
    else:
        with h5py.File(path, "w") as file:
            file["images"] = IMAGES
            file["labels"] = labels.tolist() if labels.dtype.kind == "U" else labels
    return f"{path}:images" if kind == "h5" else path


@pytest.fixture(params=["npy", "npz", "h5", "hdf5"])
def kind(request):
    """hdf5: opened as a whole, as a file of dcgan.prepare is."""
    return request.param


@pytest.mark.parametrize("labels, classes", TAKEN.values(), ids=TAKEN)
def test_labels_that_are_understood(tmp_path, kind, labels, classes):
    source = opened(saved(tmp_path, kind, labels), (8, 8))
    assert source.labels.tolist() == NUMBERS.tolist() and source.classes == classes


@pytest.mark.parametrize("labels", REFUSED.values(), ids=REFUSED)
def test_labels_that_are_refused(tmp_path, kind, labels):
    path = saved(tmp_path, kind, labels)
    assert "--labels none goes without" in refusal(path)
    assert opened(path, (8, 8), labels="none").labels is None


def test_true_and_false():
    labels, classes = class_numbers([True, False], 2, "x")
    assert labels.tolist() == [1, 0] and classes == ["0", "1"]


def test_known_names_keep_the_numbers():
    """A file whose first class has no picture."""
    assert class_numbers([1, 2], 2, "x", ["a", "b", "c"])[0].tolist() == [1, 2]
    assert class_numbers([1, 2], 2, "x", ["a", "b"])[1] == ["1", "2"]  # too few names
    assert class_numbers([2, 3], 2, "x")[1] == ["0", "1", "2", "3"]


def test_odd_names():
    labels, classes = class_numbers(np.array(["", "b\n", "é"], object), 3, "x")
    assert len(classes) == 3 and sorted(labels.tolist()) == [0, 1, 2] and all("\n" not in name for name in classes)
    with pytest.raises(UserError):
        class_numbers(np.array([None, "a"], object), 2, "x")
    with pytest.raises(UserError):
        class_numbers(np.array(["1999", "2000"], "M8[Y]"), 2, "x")
