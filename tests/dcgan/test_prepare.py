"""python -m dcgan.prepare: packs a folder or a .zip, goes on after a kill, and ends mistakes in one line."""

import shutil
import subprocess
import sys
from collections import namedtuple

import h5py
import numpy as np
import pytest
from PIL import Image

from dcgan import prepare
from dcgan.data import open_source
from dcgan.data.storage import reading


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    for i in range(70):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(data / f"{i:03d}.png")
    (data / "007.png").write_bytes(b"damaged")
    return data


def run(folder, out, *more):
    return prepare.main(["--data", str(folder), "--image-size", "8x10", "--crop", "16", "--out", str(out), *more])


def test_packs_what_open_source_reads(folder, tmp_path, capsys):
    out = tmp_path / "new" / "faces.h5"
    assert run(folder, out, "--no-progress", "--workers", "2") == 0
    expected = open_source(folder, (8, 10), 16, progress=False)
    packed = open_source(out, (8, 10), 16)
    assert (packed.batch(np.arange(69)) == expected.images).all()
    assert packed.skipped == expected.skipped == [("007.png", "not a picture of a known format")]
    assert packed.fingerprint == expected.fingerprint
    assert list(out.parent.iterdir()) == [out]
    with h5py.File(out) as file:
        assert file["images"].shape == (69, 8, 10, 3) and file["images"].chunks[1:] == (8, 10, 3)
        assert file.attrs["recipe"] == '{"channels": 3, "crop": [16, 16], "image_size": [8, 10]}'
        assert (file.attrs["count"], file.attrs["files"]) == (69, 70)
    said = capsys.readouterr().out
    assert "69 images 8x10x3" in said and "skipped 007.png" in said


def test_grey_pictures_stay_grey_and_shapes_can_be_forced(folder, tmp_path):
    for path in folder.iterdir():
        Image.new("L", (9, 9), 40).save(path)
    assert run(folder, tmp_path / "a.h5") == 0 and run(folder, tmp_path / "b.h5", "--channels", "3") == 0
    assert open_source(tmp_path / "a.h5", None).channels == 1
    assert open_source(tmp_path / "b.h5", None).channels == 3


KILLED = """
import os, sys
from dcgan import prepare
from dcgan.data.formats import listing
from dcgan.data.storage import packing, reading
packing.FLUSH_EVERY = 8
decode, left = listing.decode, [40]
def dying(file, recipe):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
    return decode(file, recipe)
listing.decode, reading.BLOCK = dying, 4
prepare.main(sys.argv[1:])
"""


def test_goes_on_after_a_kill(folder, tmp_path, monkeypatch):
    out, whole = tmp_path / "faces.h5", tmp_path / "whole.h5"
    arguments = ["--data", folder, "--image-size", "8x10", "--crop", "16", "--out", out, "--workers", "1"]
    killed = [*map(str, arguments), "--channels", "3"]  # so that none is decoded for a look at its channels
    process = subprocess.run([sys.executable, "-c", KILLED, *killed], capture_output=True)
    assert process.returncode == -9 and not out.exists() and (tmp_path / "faces.h5.part").exists()
    indices = []
    read_one = reading.read_one
    monkeypatch.setattr(reading, "read_one", lambda a, index, b: (indices.append(index), read_one(a, index, b))[1])
    monkeypatch.setattr(reading, "GREY_SAMPLE", 1)
    assert run(folder, out) == 0
    packed = sorted(indices)[1:]  # without the one looked at for its channels
    assert 7 in packed and 8 <= 70 - len(packed) <= 40  # the damaged one is tried again, what was flushed is not
    assert run(folder, whole) == 0
    with h5py.File(out) as resumed, h5py.File(whole) as expected:
        assert (resumed["images"][:] == expected["images"][:]).all()
        assert (resumed["skipped"][:] == expected["skipped"][:]).all()
        assert dict(resumed.attrs) == dict(expected.attrs) and set(resumed) == {"images", "sums", "skipped"}


def test_a_torn_or_foreign_unfinished_file_is_begun_anew(folder, tmp_path):
    part = tmp_path / "faces.h5.part"
    for content in (b"torn", b""):
        part.write_bytes(content)
        assert run(folder, tmp_path / "faces.h5") == 0
        (tmp_path / "faces.h5").unlink()
    with h5py.File(part, "w") as file:
        file.attrs["part"] = "of other images"
    assert run(folder, tmp_path / "faces.h5") == 0
    assert len(open_source(tmp_path / "faces.h5", None)) == 69


def test_a_finished_file_is_left_alone(folder, tmp_path, capsys):
    out = tmp_path / "faces.h5"
    assert run(folder, out) == 0
    before = out.stat().st_mtime_ns
    assert run(folder, out) == 0
    assert "finished already" in capsys.readouterr().out
    assert run(folder, out, "--crop", "12") == 2
    assert "holds other images" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "arguments, said",
    [
        ("--data nowhere --out a.h5", "no such file or folder"),
        ("--out a.h5", "--data"),
        ("--data . --out a.png", "expected a file name ending in .h5"),
        ("--data . --out a.h5 --image-size 6x", "--image-size"),
        ("--data . --out a.h5 --workers 0", "--workers"),
        ("--data . --out a.h5", "no images found"),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert prepare.main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small(folder, tmp_path, monkeypatch, capsys):
    usage = namedtuple("usage", "free")(1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert run(folder, tmp_path / "a.h5") == 1
    assert "MiB are free" in capsys.readouterr().err


def test_two_at_once(folder, tmp_path, capsys):
    script = "import h5py, sys; file = h5py.File(sys.argv[1], 'w'); print('locked', flush=True); sys.stdin.read()"
    part = str(tmp_path / "a.h5.part")
    other = subprocess.Popen([sys.executable, "-c", script, part], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"locked\n"
        assert run(folder, tmp_path / "a.h5") == 1
        assert "being written by another process" in capsys.readouterr().err
    finally:
        other.communicate()
