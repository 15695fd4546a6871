"""gpunet.checkpoint: a file that is cut, altered, foreign or hostile is refused in one clear line."""

import hashlib
import io
import os

import h5py
import numpy as np
import pytest

from gpunet import checkpoint
from gpunet.checkpoint import BLOCK, HEADER, CheckpointError


def sealed(body):
    """Return the file content for HDF5 data with a valid header: what a hostile writer would make."""
    return HEADER.format(hashlib.sha256(body).hexdigest(), len(body)).encode().ljust(BLOCK) + body


def hdf5(write):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        write(file)
    return sealed(buffer.getvalue()[BLOCK:])


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    checkpoint.save(path, {"x": np.arange(100), "step": 3})
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


def array_behind(make):
    """Return a sealed file whose tree refers to array "a", made by make(group)."""

    def write(file):
        file["tree"] = np.frombuffer(b'{"a": {"__array__": "arrays/a"}}', "uint8")
        make(file.create_group("arrays"))

    return hdf5(write)


def external(path):
    """Return a maker of a dataset whose numbers lie in another file."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_external(os.fsencode(path), 0, 64)
    return lambda group: h5py.h5d.create(group.id, b"a", h5py.h5t.NATIVE_DOUBLE, h5py.h5s.create_simple((8,)), settings)


ATTACKS = {
    "link to another file": lambda g: g.__setitem__("a", h5py.ExternalLink("other.h5", "a")),
    "link": lambda g: g.__setitem__("a", h5py.SoftLink("/tree")),
    "storage in another file": external("secret"),
    "compressed": lambda g: g.create_dataset("a", data=np.zeros(1000), compression="gzip"),
    "huge and empty": lambda g: g.create_dataset("a", shape=(10**12,), dtype="float32"),
    "text": lambda g: g.create_dataset("a", data=["text"], dtype=h5py.string_dtype()),
}


@pytest.mark.parametrize("make", ATTACKS.values(), ids=ATTACKS)
def test_a_hostile_file_leads_nowhere_else(tmp_path, monkeypatch, make):
    """No other file is read, nothing is unpacked beyond the size of the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(bytes(64))
    with h5py.File("other.h5", "w") as file:
        file["a"] = np.ones(3)
    (tmp_path / "a.h5").write_bytes(array_behind(make))
    with pytest.raises(CheckpointError, match="a.h5 is no checkpoint of this library: arrays/a is"):
        checkpoint.load("a.h5")


def test_the_attacks_differ_from_a_good_file_in_one_thing(tmp_path):
    (tmp_path / "a.h5").write_bytes(array_behind(lambda group: group.create_dataset("a", data=np.arange(3))))
    assert checkpoint.load(tmp_path / "a.h5")["a"].tolist() == [0, 1, 2]
