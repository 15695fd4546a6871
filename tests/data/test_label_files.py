"""--labels FILE[:COLUMN]: classes of picture files from tables."""

import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from dcgan import generate_options, prepare, presets, session
from dcgan.config import Config
from dcgan.data import open_source
from dcgan.data.formats import label_files, tables
from dcgan.data.recipe import absolute, label_column, label_table
from dcgan.errors import UserError
from dcgan.options import named
from opened import everything, opened, refusal


def make(folder, *names):
    """Pictures of values 0, 10, 20, ... under these names."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * number).save(folder / name)
    return folder


@pytest.fixture
def photos(tmp_path):
    return make(tmp_path / "photos", "1.png", "2.png", "3.png", "more/4.png")


def table(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def labels_of(source):
    """The class name of each picture, by its number."""
    values = everything(source)[:, 0, 0, 0] // 10 + 1
    return {int(value): source.classes[k] for value, k in zip(values, source.labels, strict=True)}


ALL = {1: "cat", 2: "dog", 3: "cat", 4: "emu"}


@pytest.mark.parametrize(
    "name, text, column",
    [
        ("a.csv", "file,label\n1.png,cat\n2.png,dog\n3.png,cat\nmore/4.png,emu\n", ""),
        ("a.csv", "1.png,cat\n2.png,dog\n3.png,cat\n4.png,emu\n", ""),  # without names of columns
        ("a.csv", "1.png,cat\n2.png,dog\n3.png,cat\n4.png,emu\n", ":2"),
        ("a.csv", "breed;id\r\ncat;1\r\ndog;2\r\ncat;3\r\nemu;4\r\n", ":breed"),  # names without an ending
        ("a.tsv", "label\tx\tpath\ncat\t0\tp/1.png\ndog\t1\tp/2.png\ncat\t0\tp/3.png\nemu\t3\tb/4.png\n", ""),
        ("a.csv", 'x,class,y,f\n1,cat,9,./1.png\n2,"dog",9,2.png\n3, cat ,9,"3.png"\n4,emu,9,more\\4.png\n', ""),
        ("a.CSV", "\ufefffile,label\n1.png,cat\n\n2.png,dog\n3.png,cat\n4.png,emu\n\n", ":label"),
        ("a.txt", "4\nlabel other\n1.png cat 1\n2.png   dog 2\n3.png cat 3\nmore/4.png emu 4\n", ":label"),
        ("a.txt", "1.png cat\n2.png dog\n3.png cat\n4.png emu\n", ""),
        ("a.csv", "file,label\n1.png,cat\n2.png,dog\n3.png,cat\nmore/4.png,emu\n".encode("utf-16"), ""),
    ],
)  # fmt: skip
def test_tables(photos, tmp_path, name, text, column):
    source = opened(photos, (8, 8), labels=f"{table(tmp_path, text, name)}{column}")
    assert labels_of(source) == ALL and source.classes == ["cat", "dog", "emu"] and not source.skipped


FOUR = ["no Male and no Smiling", "no Male and Smiling", "Male and no Smiling", "Male and Smiling"]
CELEBA = "3\nMale Smiling\n1.png -1  1\n2.png  1 -1\n3.png -1 -1\n4.png -1 1\n"


@pytest.mark.parametrize("name, text", [("list_attr_celeba.txt", CELEBA),
                                        ("list_attr_celeba.csv", "image_id,Male,Smiling\n1.png,-1,1\n2.png,1,-1\n"
                                         "3.png,-1,-1\n4.png,-1,1\n")])  # fmt: skip
def test_celeba(photos, tmp_path, name, text):
    path = table(tmp_path, text, name)
    source = opened(photos, (8, 8), labels=f"{path}:Smiling")
    assert source.classes == ["no Smiling", "Smiling"] and source.labels.tolist() == [1, 0, 0, 1]
    source = opened(photos, (8, 8), labels=f"{path}:Male,Smiling")
    assert source.classes == FOUR and source.labels.tolist() == [1, 2, 0, 1]
    said = "has no column 'Smilin' of labels; beside the names it has Male, Smiling"
    assert said in refusal(photos, labels=f"{path}:Smilin")
    assert "got a table of 2 columns" in refusal(photos, labels=str(path))


def test_an_archive(photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in photos.rglob("*.png"):
            archive.write(file, f"img_align_celeba/{file.name}")
    source = opened(tmp_path / "a.zip", (8, 8), labels=f"{table(tmp_path, CELEBA, 'a.txt')}:Male")
    assert source.labels.tolist() == [0, 1, 0, 0]


def test_pictures_without_labels_are_left_out_and_listed(photos, tmp_path):
    path = table(tmp_path, "file,label\n2.png,dog\n9.png,owl\n4.png,emu\n3.png,\n8.png,dog\n")
    for options in ({}, {"memory_limit": 0, "cache_dir": tmp_path}):
        source = opened(photos, (8, 8), labels=str(path), **options)
        assert labels_of(source) == {2: "dog", 4: "emu"}
        assert source.skipped == [(name, f"no label in {path}") for name in ("1.png", "3.png")]
        assert f"{path} has no label for 2 of the pictures, which are left out" in source.description
        assert f"{path} names 2 files that are not there, the first 9.png" in source.description


def test_while_training_runs(photos, tmp_path, monkeypatch):
    """Over CACHE_FROM files are decoded by helpers, which list the same pictures in another folder."""
    monkeypatch.setattr("dcgan.data.opening.CACHE_FROM", 1)
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "file,label\n2.png,dog\n4.png,emu\n1.png,cat\n")
    source = open_source("photos", (8, 8), labels="labels.csv", cache_dir=tmp_path / "cache", progress=False)
    source.expect(np.arange(3))
    assert labels_of(source) == {1: "cat", 2: "dog", 4: "emu"}
    for helper in source.helpers.processes:
        assert helper.wait(60) == 0
    source.close()


def test_prepare_keeps_labels_and_names(photos, tmp_path):
    path = table(tmp_path, "file,label\n2.png,dog\n4.png,emu\n1.png,cat\n")
    out = tmp_path / "packed.h5"
    options = ["--data", str(photos), "--image-size", "8", "--labels", f"{path}:label", "--no-progress"]
    assert prepare.main([*options, "--out", str(out)]) == 0
    assert labels_of(opened(out, None)) == {1: "cat", 2: "dog", 4: "emu"}
    assert f"--labels {path}: {out} is packed: give the table to dcgan.prepare" in refusal(out, None, labels=str(path))


def test_a_run_keeps_the_full_path(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "file,label\n2.png,dog\n4.png,emu\n1.png,cat\n")
    given = {"data": "photos", "labels": "labels.csv:label", "conditional": True, "width": 2, "z_dim": 2,
             "image_size": 8, "batch_size": 2, "steps": 1, "device": "cpu", "implementation": "reference"}  # fmt: skip
    trainer = session.open_trainer(presets.config_of(given), False)
    assert trainer.config.labels == f"{tmp_path / 'labels.csv'}:label" and trainer.config.classes == 3


@pytest.mark.parametrize(
    "text, line",
    [
        ("", "holds no rows"),
        ("file\n1.png\n", "row 1 has 1 columns, expected 2 columns or more"),
        ("file,label\n1.png,cat\n2.png\n", "row 3 has 1 columns, expected 2 as in the first"),
        ("file,label\na.png,cat\n", "names none of the 4 pictures: the first is 1.png, the table has a.png, cat"),
        ("file,label\n1.png,cat\n1.png,dog\n", "has two rows for 1.png, which say different things"),
        ("file,label\n1.png,c\0at\n", "holds zero bytes"),
        ("file,label\n1.png," + 20_000 * "x" + "\n", "row 2 has 2 columns, the longest field of 20,000 letters"),
        ('file,label\n1.png,"' + 200_000 * "x" + '"\n', "is no table: field larger than field limit"),
        ("," * 20_000 + "\n", "holds no rows"),
        ("a" + "," * 20_000 + "\n", "row 1 has 20,001 columns"),
        (b"file,label\n1.png,\xe9\n", "is no text in UTF-8"),
        ("file,a,b\n1.png,0,1\n", "got a table of 2 columns, "),
        ("file,label\n1.png,\n", "has no value for any picture in label"),
    ],
)
def test_bad_tables(photos, tmp_path, text, line):
    refused = refusal(photos, labels=str(table(tmp_path, text)))
    assert line in refused and "\n" not in refused and len(refused) < 1000


def test_misuse(photos, tmp_path, monkeypatch):
    assert "labels.csv can't be read: No such file" in refusal(photos, labels="labels.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    assert "pipe.csv can't be read" in refusal(photos, labels=str(tmp_path / "pipe.csv"))
    path = table(tmp_path, "file,label\n1.png,cat\n")
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8), "uint8"))
    assert "goes with picture files, which have names" in refusal(tmp_path / "a.npy", labels=str(path))
    assert "the built-in faces have neither names nor folders" in refusal(None, labels=str(path))
    assert "goes with data that has columns" in refusal(photos, labels=":label")
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    assert "has more than 10 bytes" in refusal(photos, labels=str(path))
    monkeypatch.setattr(label_files, "MOST_CLASSES", 1)
    monkeypatch.setattr(tables, "MOST_BYTES", 1000)
    path = table(tmp_path, "file,label\n1.png,cat\n2.png,dog\n")
    assert "label: more than 1 classes; the first are cat, dog" in refusal(photos, labels=str(path))


def test_what_the_option_takes():
    assert label_table("a.csv:b:c") is None and label_table("C:/a.CSV:b") == ("C:/a.CSV", "b")
    assert label_table("a.csv") == ("a.csv", None) and label_table("auto") is None
    assert label_column(":breed") == "breed" and label_column("a:b") is None
    assert absolute("auto") == "auto" and absolute("a.csv:x") == f"{os.path.abspath('a.csv')}:x"
    assert Config(labels="a.txt:Smiling").labels == "a.txt:Smiling"
    for wrong in ("fodler", "a.json", "", "a\0.csv"):
        with pytest.raises(UserError, match="--labels: got .* expected one of auto, folder, none, or a table such as"):
            named("--labels", Config.__dataclass_fields__["labels"].metadata["kind"], wrong)


def test_generate_takes_traits():
    config = Config(conditional=True, classes=4)
    for text, number in {"Male=0,Smiling=1": 1, "Smiling=-1, Male=1": 2, "Male and Smiling": 3, "3": 3}.items():
        assert generate_options.as_label(text, config, FOUR) == number
    assert generate_options.as_label("breed=cat", Config(conditional=True, classes=2), ["cat", "dog"]) == 0
    assert generate_options.as_label("Smiling=1", Config(conditional=True, classes=2), ["no Smiling", "Smiling"]) == 1
    assert generate_options.as_label("Male = 0,Smiling =1", config, FOUR) == 1
    every = "expected 0 or 1 for every trait, such as Male=1,Smiling=0"
    for wrong, said in {
        "Smiling=1": "Male is missing: write such as Smiling=1,Male=0",
        "Male=0": "Smiling is missing: write such as Male=0,Smiling=0",
        "Bald=1": every, "Bald=1,Smiling=1": every, "Smiling=2,Male=1": every, "=": every, "Male=1,Male=0": "missing",
        "a,b": "expected no Male and no Smiling, no Male and Smiling",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match="--label: got .* " + said):
            generate_options.as_label(wrong, config, FOUR)
    with pytest.raises(UserError, match="expected cat, dog, or 0 to 1"):  # not traits that are there or not
        generate_options.as_label("breed=cow", Config(conditional=True, classes=2), ["cat", "dog"])
