"""HDF5 files: any data set of anybody's file, files that dcgan.prepare packed, and what lies in the cache."""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from dcgan.data import open_source
from dcgan.data.formats.folder import FolderListing
from dcgan.data.recipe import Recipe
from dcgan.data.storage import packing
from dcgan.data.storage.store import Store
from tests.fuzz.changes import NUMBERS, damaged, grafted, number, some_text
from tests.fuzz.readers import arrays, pictures
from tests.fuzz.task import Task

PRIVATE = "../private/secret.txt"  # relative to the working folder; see guards.py
IMAGES = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
RECIPE = {"channels": 3, "crop": None, "image_size": [8, 8]}
NAMES = ["images", "labels", "classes", "skipped", "sums", "y", "label", "group/images", "group/labels"]


def plain(random: Random, file: h5py.File, name: str) -> None:
    """Write an array of any type and shape, in chunks and packed, or in one piece."""
    array = IMAGES if random.random() < 0.4 else arrays.array(random)
    array = array if array.dtype.kind in "biufcSV" else IMAGES[:4]
    packing = random.choice(
        ({}, {"chunks": True}, {"compression": "gzip"}, {"compression": "lzf", "shuffle": True}, {"fletcher32": True})
    )
    file.create_dataset(name, data=array, **(packing if array.ndim and array.size else {}))


def elsewhere(random: Random, file: h5py.File, name: str) -> None:
    """Write a data set whose content lies in a private file."""
    dtype, shape = random.choice((("u1", (2, 8, 8, 3)), ("S32", (4, 2)), ("S16", (8,)), ("u1", (6,)), ("u4", (6,))))
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    file.create_dataset(name, shape, dtype, external=[(PRIVATE, random.choice((0, 64)), size)])


def virtual(random: Random, file: h5py.File, name: str) -> None:
    """Write a data set that is a view of another file, or of itself."""
    layout = h5py.VirtualLayout((2, 8, 8, 3), "u1")
    layout[0] = h5py.VirtualSource(random.choice(("../private/private.h5", ".", "a.h5")), "images", (2, 8, 8, 3))[0]
    file.create_virtual_dataset(name, layout)


def link(random: Random, file: h5py.File, name: str) -> None:
    """Write a link: to another file, to another name, to itself, or a group in place of data."""
    target = random.choice(
        (
            h5py.ExternalLink("../private/private.h5", "images"),
            h5py.SoftLink("/" + name),
            h5py.SoftLink("/"),
            h5py.SoftLink("/none"),
        )
    )
    file[name] = target


def huge(random: Random, file: h5py.File, name: str) -> None:
    """Write a data set that claims far more than the file holds."""
    shape = random.choice(((2**40, 8, 8, 3), (2**30, 2), (10**6, 10**3, 10**3, 3), (2**28,), (2, 2**20, 2**10, 3)))
    chunks = random.choice((None, (1, *shape[1:]), tuple(min(n, 2**8) for n in shape)))
    with contextlib.suppress(ValueError):  # chunks of more than 4 GB
        file.create_dataset(
            name,
            shape,
            random.choice(("u1", "S1", "f8")),
            chunks=chunks,
            maxshape=(None, *shape[1:]) if chunks else None,
        )


def strange(random: Random, file: h5py.File, name: str) -> None:
    """Write texts, references, compounds, enumerations, rows of different lengths, or nothing at all."""
    texts = [text.encode("utf-8", "replace").replace(b"\0", b"") for text in (some_text(random), some_text(random))]
    kind = random.randrange(8)
    if kind < 3:
        data: Any = np.array(texts * random.choice((1, 3)) if kind else [texts, texts], object)
        file.create_dataset(name, data=data, dtype=h5py.string_dtype(random.choice(("utf-8", "ascii"))))
    elif kind == 3:
        file.create_dataset(name, data=np.zeros(4, [("a", "u1"), ("b", "f4")]))
    elif kind == 4:
        file.create_dataset(name, data=np.zeros((4, 8, 8), int), dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i"))
    elif kind == 5:
        file.create_dataset(name, (3,), h5py.vlen_dtype(np.uint8))
    elif kind == 6:
        file.create_dataset(name, (3,), h5py.ref_dtype)
    else:
        file.create_dataset(name, data=h5py.Empty("u1"))


def group(random: Random, file: h5py.File, name: str) -> None:
    """Write a group where a data set is expected, one that holds itself."""
    made = file.create_group(name)
    made["again"] = made


WRITERS: list[Callable[[Random, h5py.File, str], None]] = [
    plain,
    plain,
    plain,
    elsewhere,
    virtual,
    link,
    huge,
    strange,
    strange,
    group,
]


def add(random: Random, file: h5py.File, name: str) -> None:
    """Write a data set in one of these ways; nothing where the name is there already, perhaps as a link to itself."""
    with contextlib.suppress(RuntimeError, ValueError, OSError, KeyError, TypeError):
        random.choice(WRITERS)(random, file, name)


def add_attribute(random: Random, where: Any) -> None:
    """Write an attribute of odd type."""
    name = random.choice(("recipe", "fingerprint", "part", "x", "CLASS"))
    recipe = json.dumps(grafted(random, RECIPE)).encode("utf-8", "replace").replace(b"\\u0000", b"")
    values = (
        recipe.decode(),
        recipe,
        np.array([recipe]),
        random.choice(NUMBERS[:20]),
        np.zeros((2, 2)),
        h5py.Empty("f4"),
        "x" * 60_000,
        b"\xff\xfe",
    )
    where.attrs[name] = random.choice(values)


def make(random: Random, place: Path) -> Task:
    """A file of a few data sets, each written in another way, damaged now and then."""
    path = place / "a.h5"
    with h5py.File(
        path, "w", libver=random.choice(("earliest", "latest")), userblock_size=random.choice((0, 512))
    ) as file:
        for name in random.sample(NAMES, random.randint(0, 4)) + random.choice(([], ["images"])):
            add(random, file, name)
        for _ in range(random.randrange(3)):
            add_attribute(random, file)
    if random.random() < 0.4:
        path.write_bytes(structure_damaged(random, path.read_bytes()))
    named = ["a.h5", *(f"a.h5:{name}" for name in [*NAMES, "group", "/", "..", "nothing", some_text(random)])]
    options = {"image_size": random.choice((None, (8, 8), (5, 9))), "memory_limit": random.choice((0, 2**30))}
    return Task("open", [random.choice((named[0], named[1], random.choice(named)))], options)


def structure_damaged(random: Random, data: bytes) -> bytes:
    """Damage the first kilobytes, where HDF5 keeps its structure, most often."""
    head = 2048 if random.random() < 0.8 else len(data)
    start = random.choice((0, max(0, len(data) - 3000)))
    middle = data[start : start + head]
    middle = number(random, middle) if random.random() < 0.5 and middle else damaged(random, middle)
    return data[:start] + middle + data[start + head :]


@functools.cache
def packed(folder: str) -> bytes:
    """Return a file as dcgan.prepare packs it, of six pictures in two classes, one of them damaged."""
    data = Path(folder) / "packed"
    for i in range(6):
        (data / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        pictures.save_sound(data / "ab"[i % 2] / f"{i}.png")
    (data / "a/broken.png").write_bytes(b"\x89PNG")
    out, listing = data / "out.h5", FolderListing(data)
    listing.labels, listing.classes = np.arange(7) % 2, ["a", "b"]
    packing.pack(listing, Recipe((8, 8), None, 3), out, 1, False)
    content = out.read_bytes()
    out.unlink()
    return content


def change_packed(random: Random, content: bytes) -> bytes:
    """Return a packed file in which data sets and attributes are left out, replaced or hold other numbers."""
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        for _ in range(random.randint(1, 2)):
            name, kind = random.choice(("images", "labels", "classes", "skipped", "sums")), random.randrange(4)
            if kind == 0:
                add_attribute(random, file)
            elif kind > 1 or not is_plain(file, name):
                if name in set(file):  # a link that leads nowhere, too
                    del file[name]
                if kind == 2:
                    add(random, file, name)
            elif file[name].size:
                flat = np.array(file[name])
                flat.reshape(-1)[random.randrange(flat.size)] = random.choice((0, 1, 2, 77, 200))
                file[name][...] = flat
    return buffer.getvalue()


def is_plain(file: h5py.File, name: str) -> bool:
    """Whether a name is that of a data set of numbers in the file itself."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    data = file[name]
    return isinstance(data, h5py.Dataset) and data.dtype.kind in "iuf" and not (data.is_virtual or data.external)


def make_packed(random: Random, place: Path) -> Task:
    """A mutated file of dcgan.prepare, opened, or asked of dcgan.prepare or dcgan.train again."""
    content = packed(str(place.parent / "base"))
    content = change_packed(random, content) if random.random() < 0.6 else structure_damaged(random, content)
    (place / "a.h5").write_bytes(content)
    if random.random() < 0.1:
        (place / "data").mkdir()
        pictures.save_sound(place / "data/a.png")
        name = random.choice(("a.h5", "b.h5"))
        (place / "b.h5.part").write_bytes(content)
        return Task(
            "prepare", ["--data", "data", "--image-size", "8", "--out", name, "--no-progress", "--workers", "1"]
        )
    options = {"image_size": random.choice((None, (8, 8))), "memory_limit": random.choice((0, 2**30))}
    options |= {"labels": random.choice(("auto", "folder", "none")), "train_size": random.choice((None, 1, 4))}
    return Task("open", ["a.h5"], options)


def make_cache(random: Random, place: Path) -> Task:
    """Pictures whose packed file in the cache was damaged since."""
    (place / "data").mkdir()
    for name in ("a", "b", "c"):
        pictures.save_sound(place / f"data/{name}.png")
    options: dict[str, Any] = {"image_size": pictures.SIZE, "channels": 3, "memory_limit": 0, "cache_dir": "cache"}
    open_source("data", progress=False, workers=1, **options).close()
    cached = next((place / "cache").iterdir())
    content = cached.read_bytes()
    cached.write_bytes(change_packed(random, content) if random.random() < 0.5 else structure_damaged(random, content))
    return Task("open", ["data"], options)


@functools.cache
def stored(folder: str) -> bytes:
    """Return a file of a growing source, with the rows of IMAGES."""
    path = Path(folder) / "store.h5"
    store = Store(len(IMAGES), Recipe((8, 8), None, 3), path)
    for row, image in enumerate(IMAGES):
        store.put(row, image)
    store.save()
    content = path.read_bytes()
    path.unlink()
    return content


def make_store(random: Random, place: Path) -> Task:
    """The file of a growing source, damaged since it was written."""
    content = stored(str(place.parent / "base"))
    (place / "a.h5").write_bytes(
        structure_damaged(random, content) if random.random() < 0.8 else damaged(random, content)
    )
    return Task("store", ["a.h5"])
