"""Which pictures and which labels: classes from folders, --labels, --pattern, --train-size."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from dcgan.data import Loader
from dcgan.data.formats.labels import folder_classes
from opened import everything, opened, refusal


def make(folder, *names):
    """Pictures of values 0, 10, 20, ... under these names."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * number).save(folder / name)
    return folder


def values(source):
    return (everything(source)[:, 0, 0, 0] // 10).tolist()


@pytest.fixture
def zoo(tmp_path):
    return make(tmp_path / "zoo", "cat/a.png", "dog/a.png", "cat/b.png", "Emu/young/a.png", "Emu/b.jpg.png")


def zipped(folder):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder.parent))
    return path


@pytest.mark.parametrize("pack", [lambda folder: folder, zipped])
@pytest.mark.parametrize("mode", ["auto", "folder"])
def test_every_subfolder_is_a_class(zoo, pack, mode):
    source = opened(pack(zoo), (8, 8), labels=mode)
    assert source.classes == ["Emu", "cat", "dog"]
    assert dict(zip(values(source), source.labels.tolist(), strict=True)) == {0: 1, 1: 2, 2: 1, 3: 0, 4: 0}
    assert "5 images 8x8x1 of 3 classes from" in source.description


def test_no_labels_when_none_are_wanted(zoo):
    source = opened(zoo, (8, 8), labels="none")
    assert source.labels is None and source.classes is None
    with Loader(source, 2, seed=0) as loader:
        assert next(loader).labels is None


@pytest.mark.parametrize("names", [("a.png", "b.png"), ("cat/a.png", "cat/b.png"), ("cat/a.png", "dog/a.png", "c.png")])
def test_folders_that_are_no_classes(tmp_path, names):
    make(tmp_path, *names)
    assert opened(tmp_path, (8, 8)).labels is None
    assert "at least 2 subfolders" in refusal(tmp_path, labels="folder")


@pytest.mark.parametrize(
    "names, expected",
    [
        (["a/x", "b/x"], [0, 1]),
        (["data/b/x", "data/a/x", "data/b/y"], [1, 0, 1]),
        (["data/a/1/x", "data/a/2/x", "data/b/x"], [0, 0, 1]),
        (["ab/x", "abc/x"], [0, 1]),
        (["a/x", "a/b/x"], None),
        (["a/x"], None),
    ],
)
def test_folder_classes(names, expected):
    found = folder_classes(names)
    assert (found and found[0].tolist()) == expected


def test_labels_stay_with_their_pictures_where_files_are_damaged(zoo, tmp_path):
    (zoo / "cat" / "a.png").write_bytes(b"text")
    for options in ({}, {"memory_limit": 0, "cache_dir": tmp_path}):  # in memory, and by way of a packed file
        source = opened(zoo, (8, 8), **options)
        assert dict(zip(values(source), source.labels.tolist(), strict=True)) == {1: 2, 2: 1, 3: 0, 4: 0}
        assert source.classes == ["Emu", "cat", "dog"] and [name for name, _ in source.skipped] == ["cat/a.png"]
        source.close()


@pytest.mark.parametrize(
    "pattern, expected",
    [("cat/*", [0, 2]), ("a.png", [0, 1, 3]), ("*.jpg.png", [4]), ("Emu/*/*.png", [3]), ("[cd]*/a.*", [0, 1])],
)
def test_pattern(zoo, pattern, expected):
    assert sorted(values(opened(zoo, (8, 8), pattern=pattern))) == expected


def test_a_pattern_without_matches_or_without_names(zoo, tmp_path):
    assert "--pattern: none of the 5 images matches '*.gif'; the first is Emu/b.jpg.png" in refusal(
        zoo, pattern="*.gif"
    )
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), np.uint8))
    assert "no names to match" in refusal(tmp_path / "a.npy", pattern="*")


def test_train_size_takes_some_of_every_class(tmp_path):
    make(tmp_path, *(f"{name}/{i}.png" for name in "abcd" for i in range(6)))
    source = opened(tmp_path, (8, 8), train_size=8)
    assert values(source) == [0, 3, 6, 9, 12, 15, 18, 21] and source.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(opened(tmp_path, (8, 8), train_size=1000)) == 24
    assert len(opened(None, (8, 8), train_size=5)) == 5
    prints = {opened(tmp_path, (8, 8), train_size=size).fingerprint for size in (None, 7, 8, 24, 1000)}
    assert len(prints) == 3
