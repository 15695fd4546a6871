"""Folders as nobody keeps them: odd names, links in circles, pipes, other people's files; and what says the labels."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from random import Random

from tests.fuzz.changes import as_json, grafted, some_name, some_text
from tests.fuzz.readers import pictures
from tests.fuzz.task import Task

FOLDERS = [
    "train",
    "test",
    "val",
    "cat",
    "dog",
    "1",
    "2",
    "10",
    "00000",
    "00001",
    "@eaDir",
    "__MACOSX",
    ".hidden",
    "raw",
    "samples",
]
FILES = [
    "a.png",
    "b.JPG",
    "Thumbs.db",
    "readme.txt",
    "data.mdb",
    "config.json",
    "log.jsonl",
    "dataset.json",
    "noext",
    "x.tga",
]
FILES += ["data_batch_1", "train-images-idx3-ubyte", "k-imgs.npz", "x.cr2", "c.h5"]


def make(random: Random, place: Path) -> Task:
    """A tree of a dozen odd entries, with or without a picture in it."""
    root, folders = place / "data", [place / "data"]
    root.mkdir()
    for _ in range(random.randint(1, 14)):
        with contextlib.suppress(OSError):  # a name that is there already, or that the system refuses
            add_entry(random, folders)
    options = {
        "image_size": pictures.SIZE,
        "labels": random.choice(("auto", "folder", "none")),
        "pattern": random.choice((None, None, "*.png", some_text(random) or "*")),
        "train_size": random.choice((None, None, 1, 3, 2**31)),
    }
    return Task("open", [random.choice(("data", "data/", "./data", str(root)))], options)


def add_entry(random: Random, folders: list[Path]) -> None:
    """Put a folder, a file, a link, a pipe or a socket into one of the folders."""
    where, kind = random.choice(folders), random.randrange(12)
    name = random.choice((random.choice(FOLDERS), os.fsdecode(some_name(random))))
    file = where / random.choice((random.choice(FILES), os.fsdecode(some_name(random)) + random.choice(("", ".png"))))
    if os.path.lexists(file):
        return  # writing into a pipe would wait for ever
    if kind < 4:
        (where / name).mkdir()
        folders.append(where / name)
    elif kind < 8:
        number = random.randrange(len(pictures.KINDS))
        file.write_bytes(random.choice((pictures.sound(number), b"", b"text", pictures.changed(random, number))))
    elif kind < 10:
        file.symlink_to(random.choice((".", "..", "nowhere", "a.png", file.name, "../data", "/dev/null")))
    elif kind == 10:
        os.mkfifo(file)
    else:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(os.path.relpath(file))


LABELS = {"labels": [["cat/a.png", 0], ["dog/b.png", 1], ["dog/c.png", 1]], "version": 1}


def make_labels(random: Random, place: Path) -> Task:
    """Two classes of sound pictures under odd names, and a mutated dataset.json."""
    names = random.choice((("cat", "dog"), ("1", "10"), ("00000", "00001"), (some_name(random), some_name(random))))
    for name, files in zip(names, ("a", "bc"), strict=True):
        folder = place / "data" / os.fsdecode(name)
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            pictures.save_sound(folder / f"{file}.png")
    if random.random() < 0.8:
        (place / "data/dataset.json").write_bytes(as_json(random, grafted(random, LABELS)))
    options = {"image_size": pictures.SIZE, "channels": 3, "labels": random.choice(("auto", "auto", "folder", "none"))}
    return Task("open", ["data"], options, sound=True)
