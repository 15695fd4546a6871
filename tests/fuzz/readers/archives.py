"""Archives: .zip files with odd directories, names and members, and .tar files of pictures or of CIFAR-10."""

from __future__ import annotations

import functools
import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path
from random import Random

from tests.fuzz.changes import WHOLE, as_json, damaged, fields, grafted, some_text
from tests.fuzz.readers import cifar, folders, pictures
from tests.fuzz.task import Task

NAMES = [
    "a.png",
    "../private/x.png",
    "/etc/x.png",
    "C:\\x.png",
    "a\\b.png",
    "train/cat/1.png",
    "test/dog/2.png",
    "x" * 300 + ".png",
]
NAMES += [
    "__MACOSX/._a.png",
    "run/config.json",
    "run/samples/1.png",
    "é.png",
    "\u202egnp.exe",
    ".",
    "a/",
    "..png",
    "noext",
]
# Fields of a local header, of an entry of the directory, and of the end record, by their marks.
RECORDS = {
    b"PK\3\4": [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
    b"PK\1\2": [
        (4, 2),
        (6, 2),
        (8, 2),
        (10, 2),
        (16, 4),
        (20, 4),
        (24, 4),
        (28, 2),
        (30, 2),
        (32, 2),
        (34, 2),
        (38, 4),
        (42, 4),
    ],
    b"PK\5\6": [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
}


def zipped(random: Random) -> bytes:
    """Return a .zip of a few members under odd names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2))
    ) as archive:
        for _ in range(random.randint(0, 5)):
            name = random.choice((*NAMES, some_text(random).encode(errors="replace").decode() + ".png"))
            number = random.randrange(len(pictures.KINDS))
            archive.writestr(zipfile.ZipInfo(name), random.choice((pictures.sound(number), b"", bytes(10**5))))
        if random.random() < 0.2:
            archive.writestr(zipfile.ZipInfo("dataset.json"), as_json(random, grafted(random, folders.LABELS)))
        archive.writestr(zipfile.ZipInfo("z/sound.png"), pictures.sound(0))
    return buffer.getvalue()


def change_zip(random: Random, data: bytes) -> bytes:
    """Return a .zip with other sizes, offsets, methods or flags in some of its records."""
    found = [(at, mark) for mark in RECORDS for at in positions(data, mark)]
    for at, mark in random.choices(found, k=random.randint(1, 2)):
        data = data[:at] + fields(random, data[at:], [(place, size, "little") for place, size in RECORDS[mark]])
    return data


def positions(data: bytes, mark: bytes) -> list[int]:
    """Return where a mark lies in the data."""
    parts = data.split(mark)[:-1]
    return [sum(map(len, parts[: i + 1])) + len(mark) * i for i in range(len(parts))]


def make_zip(random: Random, place: Path) -> Task:
    """A mutated .zip of pictures."""
    data = zipped(random)
    kind = random.randrange(5)
    if kind < 3:
        data = change_zip(random, data)
    elif kind == 3:
        data = damaged(random, data)
    (place / "data.zip").write_bytes(data)
    options = {"image_size": pictures.SIZE, "labels": random.choice(("auto", "folder", "none"))}
    return Task("open", ["data.zip"], options | {"pattern": random.choice((None, None, "*.png"))})


TAR_NAMES = [b"../data_batch_1", b"/data_batch_1", b"a/b/data_batch_2.bin", b"\xff" * 100]
TAR_NAMES += [b"../a.png", b"C:\\a.png", b"run/config.json", b"run/samples/1.png", b"noext", b"dataset.json", b"a.png/"]
TAR_CONTENTS = ("pictures", "pictures", "pickled", "binary")
TAR_LINKS = [b"../private/secret.txt", b"/etc/passwd", b""]
TAR_SIZES = [b"99999999999\0", b"\xff" * 12, b"-1\0", b"\x80" + b"\xff" * 11, b"\x80" + bytes(10) + b"\7"]


def tar_header(random: Random, header: bytes) -> bytes:
    """Return a header of a .tar with another name, size, kind or link, and a right checksum."""
    block, kind = bytearray(header), random.randrange(4)
    if kind == 0:
        block[156:157] = bytes([random.choice(b"0123567LKxgS\0Z")])
    elif kind == 1:
        size = random.choice([*TAR_SIZES, b"%011o\0" % (random.choice(WHOLE) % 8**11)])
        block[124:136] = size.ljust(12, b"\0")
    elif kind == 2:
        block[157:257] = random.choice(TAR_LINKS).ljust(100, b"\0")
        block[156:157] = random.choice((b"1", b"2"))
    else:
        block[:100] = random.choice(TAR_NAMES).ljust(100, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@functools.cache
def sound_tar(holds: str, form: int) -> bytes:
    """Return a .tar, in a form of tarfile, of CIFAR-10's five batches of two pictures, or of pictures in two folders.

    Some names of pictures are too long for a header, so that a member in front of it has them.
    """
    if holds == "pictures":
        names = ["train/cat/1.png", "test/dog/2.png", f"test/cat/{'x' * 120}.png", "train/dog/noext", "readme.txt"]
        contents = {name: pictures.sound(number) for number, name in enumerate(names)}
        contents["dataset.json"] = b'{"labels": [["train/cat/1.png", 0], ["test/dog/2.png", 1]]}'
    else:
        ending, content = ("", cifar.pickled(2)) if holds == "pickled" else (".bin", cifar.binary())
        contents = {f"cifar/data_batch_{number}{ending}": content for number in range(1, 6)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def make_tar(random: Random, place: Path) -> Task:
    """A mutated .tar or .tar.gz of pictures or of CIFAR-10."""
    holds, form = random.choice(TAR_CONTENTS), random.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    data = bytearray(sound_tar(holds, form))
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for at in random.choices(headers, k=random.randint(1, 3)):
        data[at : at + 512] = tar_header(random, bytes(data[at : at + 512]))
    content = damaged(random, bytes(data)) if random.random() < 0.4 else bytes(data)
    name = random.choice(("data.tar", "data.tar.gz", "data.tgz"))
    if name != "data.tar":
        content = gzip.compress(content, 1, mtime=0)
        if random.random() < 0.3:
            content = random.choice((damaged(random, content), content[:-4] + struct.pack("<I", 7), content + content))
    (place / name).write_bytes(content)
    labels = random.choice(("auto", "folder", "none"))
    return Task("open", [name], {"image_size": random.choice(((32, 32), pictures.SIZE)), "labels": labels})
