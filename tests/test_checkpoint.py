"""gpunet.checkpoint: what is saved comes back equal, and a file that is not whole is refused in one clear line."""

import hashlib
import io
import json
import os

import h5py
import numpy as np
import pytest

from gpunet import checkpoint, files
from gpunet.checkpoint import BLOCK, HEADER, CheckpointError


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


def sealed(body):
    """Return the file content for HDF5 data with a valid header: what a hostile writer would make."""
    return HEADER.format(hashlib.sha256(body).hexdigest(), len(body)).encode().ljust(BLOCK) + body


def hdf5(write):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        write(file)
    return sealed(buffer.getvalue()[BLOCK:])


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


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    checkpoint.save(path, example())
    data = path.read_bytes()
    for length in [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="no checkpoint|damaged"):
            checkpoint.load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_every_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    checkpoint.save(path, {"x": np.arange(4)})
    data = path.read_bytes()
    for at in np.random.default_rng(0).choice(len(data), 200, replace=False):
        damaged = bytearray(data)
        damaged[at] ^= 0x41
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            checkpoint.load(path)


FOREIGN = {
    "text": b"hello",
    "empty": b"",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "sealed nonsense": sealed(b"nonsense" * 100),
    "no tree": hdf5(lambda f: None),
    "tree of wrong type": hdf5(lambda f: f.create_dataset("tree", data=np.ones(3))),
    "missing array": hdf5(
        lambda f: f.create_dataset("tree", data=np.frombuffer(b'{"a": {"__array__": "arrays/a"}}', "u1"))
    ),
    "reference to a number": hdf5(
        lambda f: f.create_dataset("tree", data=np.frombuffer(b'{"a": {"__array__": 3}}', "u1"))
    ),
    "nested too deeply": hdf5(lambda f: f.create_dataset("tree", data=np.frombuffer(b"[" * 200_000, "u1"))),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_hostile_file_leads_nowhere_else(tmp_path):
    """Links to other files, storage outside the file, filters and giant empty datasets are refused."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.ones(3)

    def attack(make):
        tree = json.dumps({"a": {"__array__": "arrays/a"}}).encode()

        def write(file):
            file["tree"] = np.frombuffer(tree, "uint8")
            make(file.create_group("arrays"))

        return hdf5(write)

    space = h5py.h5s.create_simple((8,))
    external = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    external.set_external(os.fsencode(secret), 0, 64)
    attacks = [
        lambda g: g.__setitem__("a", h5py.ExternalLink(str(tmp_path / "other.h5"), "a")),
        lambda g: g.__setitem__("a", h5py.SoftLink("/tree")),
        lambda g: h5py.h5d.create(g.id, b"a", h5py.h5t.NATIVE_DOUBLE, space, external),
        lambda g: g.create_dataset("a", data=np.zeros(1000), compression="gzip"),
        lambda g: g.create_dataset("a", shape=(10**12,), dtype="float32"),
        lambda g: g.create_dataset("a", data=["text"], dtype=h5py.string_dtype()),
    ]
    for make in attacks:
        (tmp_path / "a.h5").write_bytes(attack(make))
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path / "a.h5")


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
