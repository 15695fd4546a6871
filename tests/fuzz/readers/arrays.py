"""Arrays in files: idx, .npy and .npz, with other heads, types, shapes and values."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.changes import NUMBERS, WHOLE, damaged, fields
from tests.fuzz.readers.archives import change_zip
from tests.fuzz.task import Task

SHAPES = [
    (4, 8, 8),
    (4, 8, 8, 1),
    (4, 8, 8, 3),
    (4, 3, 8, 8),
    (0, 8, 8),
    (4, 0, 8),
    (1, 1, 1),
    (3, 3, 3, 3),
    (8, 8, 3),
    (4,),
    (),
    (2, 2, 2, 2, 2),
]
TYPES = [
    "|u1",
    "<u2",
    ">u4",
    "<u8",
    "|i1",
    "<i8",
    "<f2",
    "<f4",
    ">f8",
    "<f16",
    "|b1",
    "<c8",
    "|S3",
    "<U2",
    "|V4",
    "<M8[s]",
    "<m8",
]
ODD_TYPES = [
    "|O",
    "<f3",
    "",
    "x",
    "i",
    "3",
    "(2,)<f4",
    "|V0",
    "|S0",
    "<U0",
    "u1,u1",
    "9" * 60,
    "<f4" * 900,
    "|u1;",
    "\\x00",
]


def values(random: Random, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Return an array of odd numbers."""
    generator = np.random.default_rng(random.getrandbits(32))
    low, high = random.choice(((0, 256), (0, 2), (0, 1), (-1, 2), (-300, 300), (0, 65536)))
    array = generator.integers(low, high, shape) * random.choice((1, 1, 1 / 255, 1 / 65535))
    if array.size and random.random() < 0.2:
        array = array.astype("f8")
        array.reshape(-1)[random.randrange(array.size)] = float(min(random.choice(NUMBERS), 1e308))
    with np.errstate(all="ignore"):
        return array.astype(kind)


def array(random: Random) -> np.ndarray:
    """Return an array of odd shape, type and content, most often one of images."""
    if random.random() < 0.5:
        return values(random, random.choice(SHAPES[:4]), random.choice(TYPES[:11]))
    return values(random, random.choice(SHAPES), random.choice(TYPES))


def saved(array: np.ndarray) -> bytes:
    """Return an array as the content of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def change_head(random: Random, data: bytes) -> bytes:
    """Return a .npy whose head says another type, order or shape, or has another length or version."""
    length = int.from_bytes(data[8:10], "little")
    head, rest = data[10 : 10 + length].decode("latin-1"), data[10 + length :]
    kind = random.randrange(6)
    if kind == 0:
        head = head.replace(head.split("'")[3], random.choice(TYPES + ODD_TYPES), 1)
    elif kind == 1:
        numbers = ", ".join(str(random.choice([*WHOLE, -1, 2.5, "'a'", "4"])) for _ in range(random.randrange(6)))
        shape = random.choice((f"({numbers})", f"({numbers},)", "4", "None", "(" * 300 + "4," + ")" * 300))
        head = head[: head.index("(")] + shape + head[head.rindex(")") + 1 :]
    elif kind == 2:
        head = head.replace("False", random.choice(("True", "1", "None", "False and f()")), 1)
    elif kind == 3:
        head = head.replace(
            random.choice(("'descr'", "'shape'", "}", "{", ",")), random.choice(("", "'x'", "[", "1")), 1
        )
    elif kind == 4:
        head = random.choice(
            ("", "{}", "[]", "1+1", "__import__('os').system('touch made')", "(" * 20_000, "-" * 60_000, "'a'*9**9")
        )
    version = random.choice((b"\1\0", b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\xff\xff"))
    size = random.choice((len(head), len(head), len(head) + 1, 65535, 2**31)) if kind == 5 else len(head)
    packed = struct.pack("<H", size % 65536) if version == b"\1\0" else struct.pack("<I", size)
    return data[:6] + version + packed + head.encode("latin-1", "replace") + rest


def npy(random: Random) -> bytes:
    """Return a .npy, of odd content or mutated."""
    data, kind = saved(array(random)), random.randrange(4)
    return data if kind == 0 else damaged(random, data) if kind == 1 else change_head(random, data)


def size_options(random: Random) -> dict:
    """Return how images are to be cut and sized."""
    return {"image_size": random.choice(((8, 8), (8, 8), (5, 9))), "channels": random.choice((None, None, 1, 3))}


def labels_beside(random: Random) -> np.ndarray:
    """Return labels of four images: odd numbers or texts, now and then a one among zeros in every row."""
    kind = random.choice(TYPES)
    if random.random() < 0.2:
        return np.eye(3)[[0, 2, 1, random.randrange(3)]].astype(kind)
    return values(random, random.choice(((4,), (4, 1), (3,), ())), kind)


def make_npy(random: Random, place: Path) -> Task:
    """A .npy of images, now and then with labels beside it."""
    (place / "a.npy").write_bytes(npy(random))
    if random.random() < 0.4:
        labels = saved(labels_beside(random))
        (place / "a_labels.npy").write_bytes(
            random.choice((labels, damaged(random, labels), change_head(random, labels)))
        )
    return Task("open", ["a.npy"], size_options(random))


NAMES = [
    "x_train",
    "x_test",
    "y_train",
    "y_test",
    "images",
    "labels",
    "y",
    "train_images",
    "train_labels",
    "arr_0",
    "../x",
    "a/b",
]


def make_npz(random: Random, place: Path) -> Task:
    """A .npz of several arrays under odd names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name in random.sample(NAMES, random.randint(0, 3)):
            content = saved(array(random)) if random.random() < 0.7 else npy(random)
            archive.writestr(zipfile.ZipInfo(name + ".npy"), content)
    data, kind = buffer.getvalue(), random.randrange(4)
    data = change_zip(random, data) if kind == 0 else damaged(random, data) if kind == 1 else data
    file = random.choice(("a.npz", "a.npz", "k-train-imgs.npz"))
    (place / file).write_bytes(data)
    if file != "a.npz" and random.random() < 0.7:
        (place / "k-train-labels.npz").write_bytes(random.choice((data, damaged(random, data))))
    path = random.choice((file, file, f"{file}:{random.choice(NAMES)}", "." if file != "a.npz" else file))
    return Task("open", [path], size_options(random))


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """Return an array as an idx file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def make_idx(random: Random, place: Path) -> Task:
    """Images and labels of MNIST's kind, packed or not, with other heads."""
    images = idx(np.random.default_rng(0).integers(0, random.choice((2, 256)), (4, 8, 8), dtype=np.uint8))
    labels = idx(np.arange(4, dtype=np.uint8))
    contents = []
    for data, axes in ((images, 3), (labels, 1)):
        if random.random() < 0.7:
            data = fields(random, data, [(2, 1, "big"), (3, 1, "big"), *[(4 + 4 * i, 4, "big") for i in range(axes)]])
        contents.append(damaged(random, data) if random.random() < 0.2 else data)
    stem = random.choice(("train", "t10k", "emnist-letters-train", "emnist-byclass-test", "qmnist-train", "x"))
    (place / "data").mkdir()
    names = [f"{stem}-images-idx3-ubyte", f"{stem}-labels-{random.choice(('idx1-ubyte', 'idx2-int'))}"]
    for name, data in zip(names, contents, strict=True):
        name += random.choice(("", ".gz"))
        if name.endswith(".gz") or random.random() < 0.1:
            data = gzip.compress(data, mtime=0)
            data = damaged(random, data) if random.random() < 0.3 else data
        if random.random() < 0.9:
            (place / "data" / name).write_bytes(data)
    file = next((entry.name for entry in sorted((place / "data").iterdir())), "")
    return Task("open", [random.choice(("data", f"data/{file}"))], size_options(random))
