"""LSUN's LMDB folders, with other numbers in the pages."""

from __future__ import annotations

import functools
import struct
import tempfile
from pathlib import Path
from random import Random

from tests.fuzz.changes import damaged, fields
from tests.fuzz.readers import pictures
from tests.fuzz.task import Task

PAGE = 4096
META = [
    (16, 4),
    (20, 4),
    (24, 8),
    (32, 8),
    *[
        (40 + 48 * i + at, size)
        for i in range(2)
        for at, size in ((0, 4), (4, 2), (6, 2), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8))
    ],
    (136, 8),
    (144, 8),
]
HEAD = [(0, 8), (8, 2), (10, 2), (12, 2), (14, 2), (12, 4)]  # of a page: number, flags, lower and upper end, pages


@functools.cache
def sound(large: bool) -> bytes:
    """Return the data.mdb of some pictures, `large` ones beside them on pages of their own."""
    import lmdb

    with tempfile.TemporaryDirectory() as folder:
        with lmdb.open(folder, map_size=2**20) as file, file.begin(write=True) as transaction:
            for number in range(40 if large else 5):
                transaction.put(
                    b"%04d" % number, pictures.sound(number % 6) + bytes(6000 if large and number % 5 == 0 else 0)
                )
        return (Path(folder) / "data.mdb").read_bytes()


def change_pages(random: Random, data: bytes) -> bytes:
    """Return the file with other numbers in a meta page, in the head of a page, or in one of its entries."""
    count = len(data) // PAGE
    for _ in range(random.randint(1, 2)):
        page, kind = random.randrange(count), random.randrange(3)
        start = page * PAGE
        if kind == 0 or page < 2:
            start, places = random.randrange(min(2, count)) * PAGE, META
        elif kind == 1:
            places = HEAD
        else:
            entries = [(16 + 2 * i, 2) for i in range(8)]
            at = struct.unpack("<H", data[start + 16 : start + 18])[0]
            places = entries + [(at + offset, 2) for offset in (0, 2, 4, 6) if at + offset + 2 <= PAGE]
        data = data[:start] + fields(random, data[start:], [(at, size, "little") for at, size in places])
    return data


def make(random: Random, place: Path) -> Task:
    """A folder with a mutated data.mdb."""
    data = sound(random.random() < 0.5)
    data = damaged(random, data) if random.random() < 0.2 else change_pages(random, data)
    if random.random() < 0.1:
        data = data[: random.randrange(len(data) // PAGE + 1) * PAGE]
    (place / "data").mkdir()
    (place / "data/data.mdb").write_bytes(data)
    return Task("open", ["data"], {"image_size": pictures.SIZE, "labels": random.choice(("auto", "none"))})
