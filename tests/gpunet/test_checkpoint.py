"""gpunet.checkpoint: what is saved comes back equal, and a disk that refuses loses nothing."""

import os

import h5py
import numpy as np
import pytest

from gpunet import checkpoint, files
from gpunet.checkpoint import CheckpointError


def example():
    rng = np.random.default_rng(0)
    return {
        "step": 200,
        "random": rng.bit_generator.state,  # holds integers of 128 bits
        "net": {"0.weight": rng.normal(size=(4, 4, 3, 8)).astype("float32"), "empty": np.zeros((0, 3))},
        "list": [1, 2.5, None, True, "text", np.arange(3), {"deep": np.array(3.0)}],
        "nothing": {},
        "ä ö": "Grüße",
        "flags": np.array([True, False]),
    }


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    else:
        assert a == b


def test_round_trip_and_plain_hdf5(tmp_path):
    path = tmp_path / "a.h5"
    checkpoint.save(path, example())
    assert_same(checkpoint.load(path), example())
    with h5py.File(path) as file:  # any HDF5 program can read it
        assert file["arrays/net/0.weight"].shape == (4, 4, 3, 8)
    assert os.listdir(tmp_path) == ["a.h5"]


def test_same_tree_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        checkpoint.save(tmp_path / name, example())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_random_state_continues(tmp_path):
    rng, other = np.random.default_rng(7), np.random.default_rng(8)
    rng.random(3, dtype="float32")
    checkpoint.save(tmp_path / "a.h5", {"random": rng.bit_generator.state})
    other.bit_generator.state = checkpoint.load(tmp_path / "a.h5")["random"]
    assert (rng.random(5, dtype="float32") == other.random(5, dtype="float32")).all()


UNSTORABLE = [
    ({"a": object()}, "arrays/a: got object"),
    ({"a": (1, 2)}, "arrays/a: got tuple"),
    ({"a": np.float32(1)}, "arrays/a: got float32"),
    ({"a": {"b": np.array([None])}}, "arrays/a/b: got ndarray"),
    ({"a/b": 1}, "got key 'a/b'"),
    ({1: 1}, "got key 1"),
    ({"__array__": 1}, "got key '__array__'"),
]


@pytest.mark.parametrize("tree, message", UNSTORABLE)
def test_what_cannot_be_stored_is_named(tmp_path, tree, message):
    with pytest.raises((TypeError, ValueError), match=message):
        checkpoint.save(tmp_path / "a.h5", tree)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    checkpoint.save(path, {"step": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(CheckpointError, match="could not write .*a.h5: No space left on device"):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_device(tmp_path, monkeypatch):
    """The same through the operating system's own error: the temporary file is a link to /dev/full."""
    temporary = tmp_path / f".a.h5.{os.getpid()}.tmp"
    temporary.symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left on device"):
        checkpoint.save(tmp_path / "a.h5", {"x": np.zeros(100_000)})
    assert os.listdir(tmp_path) == []


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(CheckpointError, match="could not read .*No such file"):
        checkpoint.load(tmp_path / "none.h5")
    with pytest.raises(CheckpointError, match="could not read"):
        checkpoint.load(tmp_path)
    with pytest.raises(CheckpointError, match="could not write"):
        checkpoint.save(tmp_path / "no" / "a.h5", {})
