"""Folders as people have them: splits, shards, numbers, what systems leave lying about, pipes, links, our own runs."""

import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from dcgan.data.formats.labels import folder_classes
from opened import make, open_small, refusal, values

SPLITS = [
    ("train", "test"),
    ("training", "testing"),
    ("Train", "Val"),
    ("train_set", "test_set"),
    ("dev", "validation"),
    ("train", "test_set"),
    ("Training Data", "Test Data"),
    ("01_train", "02_test"),
    ("train", "valid"),
    ("train_256", "evals"),
    ("Training", "PublicTest"),
    ("images_train", "images_pred"),
    ("train", "test1"),
]


def zipped(folder, change=lambda name: name):
    """The folder as a .zip beside it, its members' names changed."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo("x")
            info.filename = change(file.relative_to(folder).as_posix())
            archive.writestr(info, file.read_bytes())
    return path


def tarred(folder, ending):
    """The folder as a .tar or .tar.gz beside it."""
    path = folder.with_name(folder.name + ending)
    with tarfile.open(path, "w:gz" if ending.endswith("gz") else "w") as archive:
        archive.add(folder, ".")  # names such as ./cat/a.png
    return path


PACKED = {"zip": zipped, "tar": lambda folder: tarred(folder, ".tar"), "tar.gz": lambda folder: tarred(folder, ".tgz")}


@pytest.fixture(params=["folder", *PACKED])
def kept(request):
    """Open a folder as it is, and as an archive."""
    packed = PACKED.get(request.param, lambda folder: folder)
    return lambda folder, **options: open_small(packed(folder), **options)


@pytest.mark.parametrize("splits", SPLITS)
def test_splits_are_passed_through(tmp_path, kept, splits):
    first, second = splits
    make(tmp_path / "data", f"{first}/dog/a.png", f"{first}/cat/a.png", f"{second}/cat/a.png", f"{second}/dog/a.png")
    source = kept(tmp_path / "data")
    assert source.classes == ["cat", "dog"]
    assert dict(zip(values(source), source.labels.tolist(), strict=True)) == {0: 1, 1: 0, 2: 0, 3: 1}


@pytest.mark.parametrize(
    "names, expected",
    [
        (["train/x", "test/y"], None),
        (["train/cat/x", "test/y"], None),
        (["train/x", "car/y"], ["car", "train"]),
        (["train/x", "tests/y", "unlabeled/z"], None),
        (["trainA/x", "trainB/y", "testA/z", "testB/w"], ["A", "B"]),
        (["trainA/x", "trainB/y", "testA/z"], ["testA", "trainA", "trainB"]),
        (["seen/x", "unseen/y"], ["seen", "unseen"]),
        (["1/x", "3/y", "10/z", "other/w"], ["1", "3", "10", "other"]),
        (["10/x", "01/y", "2/z"], ["01", "2", "10"]),
        (["-1/x", "0/y", "1/z"], ["-1", "0", "1"]),
        (["test_tube/x", "train_station/y"], ["test_tube", "train_station"]),
        (["seg_train/seg_train/sea/x", "seg_test/seg_test/sky/y"], ["sea", "sky"]),
        (["cat/train/x", "cat/test/y", "dog/train/z"], ["cat", "dog"]),
        (["10/x", "2/x", "1/x"], ["1", "2", "10"]),
        (["s10/x", "s2/x", "s1/x"], ["s1", "s2", "s10"]),
        (["a10/x", "b2/x"], ["a10", "b2"]),
        (["cafe\u0301/x", "caf\u00e9/y", "b/z"], ["b", "caf\u00e9"]),
        (["caf\udce9/x", "b/y"], ["b", r"caf\udce9"]),
    ],
)
def test_class_names(names, expected):
    found = folder_classes(names)
    assert (found and found[1]) == expected


def test_class_names_are_said_and_kept(tmp_path):
    source = open_small(make(tmp_path / "pets", "cat/a.png", "dog/a.png"))
    assert source.description == f"2 images 8x8x3 of 2 classes from {tmp_path / 'pets'}: 0 cat, 1 dog"
    many = open_small(make(tmp_path / "many", *(f"c{i:02d}/a.png" for i in range(30))))
    assert many.description.endswith("18 c18, 19 c19 and so on") and len(many.classes) == 30


def test_shards_are_no_classes(tmp_path, kept):
    shards = make(tmp_path / "s", *(f"{i:05d}/img{i}{j}.png" for i in range(3) for j in range(1 + (i < 2))))
    source = kept(shards)
    assert source.labels is None and "--labels folder" in source.description
    assert kept(shards, labels="folder").classes == ["00000", "00001", "00002"]
    assert kept(make(tmp_path / "ffhq", "00000/a.png", "01000/b.png", "02000/c.png")).labels is None
    signs = make(tmp_path / "signs", *(f"{i:05d}/{j}.png" for i in range(3) for j in range(1 + 4 * (i == 1))))
    assert kept(signs).classes == ["00000", "00001", "00002"]  # numbered classes, of different sizes
    assert kept(make(tmp_path / "few", "0000/a.png", "0001/a.png")).labels is not None


@pytest.mark.parametrize("inner", ["", "set/"])
def test_the_labels_of_a_stylegan_data_set(tmp_path, kept, inner):
    data = make(tmp_path / "data", *(f"{inner}0000{i}/img{i}.png" for i in range(3)))
    file = data / inner / "dataset.json"
    file.write_text(json.dumps({"labels": [["00002/img2.png", 0], ["00000/img0.png", 2], ["00001/img1.png", 1]]}))
    source = kept(data)
    assert source.labels.tolist() == [2, 1, 0] and source.classes == ["0", "1", "2"] and source.skipped == []
    assert kept(data, pattern="*2.png").labels.tolist() == [0]
    file.write_text(json.dumps({"labels": None}))
    assert kept(data).labels is None
    for labels in ([["00002/img2.png", 0]], 7, [[1, 2, 3]], [[f"0000{i}/img{i}.png", 0.5] for i in range(3)]):
        file.write_text(json.dumps({"labels": labels}))
        source = kept(data)
        assert source.labels is None and "dataset.json does not give every picture" in source.description
    for text in ("[" * 10_000, "{", "[]", '{"other": 1}'):
        file.write_text(text)
        assert len(kept(data)) == 3


CLUTTER = [
    *("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/cat/._a.png"),
    *("$RECYCLE.BIN/b.png", "System Volume Information/c.png", "lost+found/d.png", "cat/Thumbs.db", "dog/.DS_Store"),
    *("cat/~$a.png", "cat/a.png~", ".a.png.Xh2k1s", "b.png.crdownload", "dog/a.png.partial", "Icon\r", "cat/Icon\r"),
    *(".Trashes/501/b.png", ".thumbnails/normal/c.png", "Network Trash Folder/d.png", "FOUND.000/e.png", "CVS/f.png"),
    *("cat/._a.png", "#recycle/e.png", ".Trash-1000/files/f.png", "cat/@eaDir/a.png/t.jpg", "dog/desktop.ini"),
]


def test_what_systems_leave_is_no_picture_and_no_class(tmp_path, kept):
    source = kept(make(tmp_path / "pets", "cat/a.png", "dog/a.png", *CLUTTER))
    assert values(source) == [0, 1] and source.classes == ["cat", "dog"] and source.skipped == []


def test_backslashes_in_a_zip(tmp_path):
    make(tmp_path / "pets", "cat/a.png", "dog/a.png", "__MACOSX/cat/._a.png")
    source = open_small(zipped(tmp_path / "pets", lambda name: name.replace("/", "\\")))
    assert source.labels.tolist() == [0, 1] and source.skipped == []


@pytest.mark.parametrize(
    "names", [["/a/x", "b/y"], ["", "y"], ["x", ".."], ["//a/x", "/b/y", "c/z"], ["C:/a/x", "b/y"]]
)
def test_odd_names_in_a_zip(tmp_path, names):
    picture = (make(tmp_path, "one.png") / "one.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(f"{name}.png" if name and name != ".." else name), picture)
    assert len(open_small(tmp_path / "a.zip")) == sum(name not in ("", "..") for name in names)


def test_names_in_a_zip_of_any_encoding(tmp_path):
    picture = (make(tmp_path, "one.png") / "one.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("b/ü.png", "ä/a.png"):
            archive.writestr(name, picture)
    path = tmp_path / "a.zip"
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # UTF-8, but nothing says so
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            content[at + offset + 1] &= ~8
    path.write_bytes(content)
    assert open_small(path).classes == ["b", "ä"]
    path.write_bytes(bytes(content).replace("ä".encode(), b"\xff\x84"))
    assert open_small(path).classes[0] == "b"


def test_pipes_and_sockets_are_never_opened(tmp_path):
    make(tmp_path, "a.png")
    for name in ("b.png", "pipe", "readme.txt"):
        os.mkfifo(tmp_path / name)
    assert sorted(name for name, _ in open_small(tmp_path).skipped) == ["b.png", "pipe"]
    os.mkfifo(tmp_path / "c.zip")
    assert "is a pipe" in refusal(tmp_path / "c.zip")
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    assert len(open_small(tmp_path)) == 1


def test_links_that_lead_nowhere_are_skipped(tmp_path):
    make(tmp_path, "a.png")
    os.symlink("latest", tmp_path / "latest")
    os.symlink("nowhere", tmp_path / "gone")
    os.symlink("loop.png", tmp_path / "loop.png")
    source = open_small(tmp_path)
    assert len(source) == 1 and sorted(name for name, _ in source.skipped) == ["gone", "latest", "loop.png"]
    assert all(reason for _, reason in source.skipped)


def test_our_own_runs_are_no_data(tmp_path, kept):
    data = make(tmp_path / "data", "a.png", "b.png", "runs/1/samples/real.png", "runs/1/loss.png", "mine/samples/c.png")
    (data / "runs/1/config.json").write_text("{}")
    source = kept(data)
    assert values(source) == [0, 1, 4] and source.skipped == [("runs/1/", "a run of dcgan: what it drew is no data")]
    assert len(open_small(data / "runs/1")) == 2  # whoever names it means it


def test_every_known_kind_of_file_is_found_by_name_or_content(tmp_path, kept):
    kinds = {"a.jfif": "JPEG", "b.JPE": "JPEG", "c.tif": "TIFF", "d.pgm": "PPM", "e.avif": "AVIF", "f.jp2": "JPEG2000"}
    kinds |= {
        "g.tga": "TGA",
        "h.dib": "DIB",
        "i": "PNG",
        "j.dat": "WEBP",
        "k.bin": "GIF",
        "m.pcx": "PCX",
        "n.qoi": "QOI",
    }
    for name, kind in kinds.items():
        (tmp_path / "data").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (200, 200, 200)).save(tmp_path / "data" / name, format=kind)
    for name in ("film.mp4", "drawing.svg", "raw.cr2", "nothing"):
        (tmp_path / "data" / name).write_bytes(b"II*\0" if name == "raw.cr2" else b"" if name == "nothing" else b"<x>")
    (tmp_path / "data" / "labels.txt").write_text("x")
    source = kept(tmp_path / "data")
    assert len(source) == len(kinds) and np.abs(source.batch(np.arange(len(kinds))).astype(int) - 200).max() < 4
    assert {name: reason for name, reason in source.skipped} == dict.fromkeys(
        ["drawing.svg", "film.mp4", "nothing", "raw.cr2"], "not a picture of a known format"
    )


def test_text_is_no_tga(tmp_path):
    make(tmp_path, "a.png")
    (tmp_path / "b.tga").write_text("hello, I am no picture, whatever my name says, and long enough for a head")
    (tmp_path / "c.png").write_bytes(bytes(18) + bytes(100))
    assert len(open_small(tmp_path)) == 1


def test_a_pattern_takes_its_suffix_in_any_case(tmp_path):
    make(tmp_path, "a.JPG", "b.jpg", "C.Jpg", "d.png", "e/f.JPG")
    assert (
        values(open_small(tmp_path, pattern="*.jpg")) == values(open_small(tmp_path, pattern="*.JPG")) == [2, 0, 1, 4]
    )
    assert values(open_small(tmp_path, pattern="C.*")) == [2]


def test_names_that_are_no_utf8(tmp_path):
    data = tmp_path / os.fsdecode(b"caf\xe9")
    make(data, os.fsdecode(b"\xff/a.png"), "b/a.png")
    (data / os.fsdecode(b"\xe9.png")).write_bytes(b"damaged")
    (data / os.fsdecode(b"\xe8.mp4")).write_bytes(b"film")
    for options in ({}, {"memory_limit": 0, "cache_dir": tmp_path / "cache"}):
        source = open_small(data, labels="none", **options)
        said = [source.description, *(text for pair in source.skipped for text in pair)]
        "".join(said).encode("utf-8")
        assert [name for name, _ in source.skipped] == [r"\udce8.mp4", r"\udce9.png"] and len(source) == 2
        source.close()
