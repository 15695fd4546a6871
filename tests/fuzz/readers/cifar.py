"""CIFAR-10's batches: records of bytes, and pickles whose every step may be another."""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzz.changes import WHOLE, damaged, some_text
from tests.fuzz.task import Task

PLANES = 3 * 32 * 32
# Steps that no batch of CIFAR-10 takes: calls, imports, and what makes much of little.
HOSTILE = [
    b"cos\nsystem\n(S'touch ../private/made'\ntR", b"cbuiltins\neval\n(S'1'\ntR",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R",
    b"(S'touch made'\nios\nsystem\n", b"cbuiltins\nopen\n(S'../private/secret.txt'\ntR", b"c__main__\nx\n", b"R",
    b"b", b"\x81", b"\x92", b"P1\n", b"Q",
    b"(" * 50, b"0", b"1", b"2", b"a", b"e", b"s", b"u", b"d", b"l", b"t", b"\x85", b"\x86", b"\x87", b"]", b"}",
    b")", b"\x8f", b"\x90", b"\x94",
    b"\x98", b"\x96\x08" + bytes(7) + b"bytearra", b"h\x07", b"q\x07", b"j\xff\xff\xff\xff", b"r\xff\xff\xff\x7f",
    b"\x82\x01", b"I99999999999999999999\n",
    b"L" + b"9" * 5000 + b"L\n", b"F1e999\n", b"Vtext\n", b"\x8b\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8,
    b"\x8e" + b"\xff" * 7 + b"\x7f", b"\x95" + b"\xff" * 8,
    b"]" + b"]a" * 3000, b"2a" * 60, b"(2" * 60 + b"t", b"\x85" * 3000,
]  # fmt: skip


def images(count: int) -> np.ndarray:
    """Return the planes of a few pictures (count, 3072)."""
    return np.random.default_rng(0).integers(0, 256, (count, PLANES), dtype=np.uint8)


def binary(count: int = 2) -> bytes:
    """Return records of the binary version."""
    return b"".join(bytes([i % 10]) + image.tobytes() for i, image in enumerate(images(count)))


def pickled(protocol: int, count: int = 2) -> bytes:
    """Return a batch of the Python version."""
    return pickle.dumps({b"data": images(count), b"labels": list(range(count))}, protocol)


def steps(data: bytes) -> list[bytes]:
    """Return a pickle cut into its steps."""
    ends = [at for _, _, at in pickletools.genops(data) if at is not None]
    return [data[start:end] for start, end in zip(ends, [*ends[1:], len(data)], strict=True)]


def plain_step(random: Random) -> bytes:
    """Return a step that puts a number or a constant on the stack."""
    number = b"\x8a\x08" + random.choice(WHOLE).to_bytes(8, "little")
    return random.choice((b"K" + random.randbytes(1), b"J" + random.randbytes(4), b"N", b"\x88", number))


def change_pickle(random: Random, data: bytes) -> bytes:
    """Return a pickle of which steps are left out, doubled, moved, damaged, or hostile ones put between."""
    parts = steps(data)
    for _ in range(random.randint(1, 3)):
        at, kind = random.randrange(len(parts)), random.randrange(6)
        if kind == 0 and len(parts) > 1:
            del parts[at]
        elif kind == 1:
            parts.insert(random.randrange(len(parts)), parts[at])
        elif kind == 2:
            parts[at] = damaged(random, parts[at], 1)
        elif kind == 3:
            parts[at] = plain_step(random)
        elif kind == 4:
            text = some_text(random).encode("utf-8", "surrogatepass")
            parts[at] = b"X" + len(text).to_bytes(4, "little") + text
        else:
            parts.insert(at, random.choice(HOSTILE))
    return b"".join(parts)


def make(random: Random, place: Path) -> Task:
    """A mutated batch, alone or among five in a folder."""
    is_binary = random.random() < 0.2
    data = binary() if is_binary else pickled(random.randrange(5))
    data = damaged(random, data) if is_binary or random.random() < 0.15 else change_pickle(random, data)
    suffix = ".bin" if is_binary else ""
    if random.random() < 0.7:
        (place / f"data_batch_1{suffix}").write_bytes(data)
        return Task("open", [f"data_batch_1{suffix}"], {"image_size": (32, 32)})
    (place / "data").mkdir()
    for number in range(1, 6):
        content = data if number == 3 else binary() if is_binary else pickled(2)
        (place / f"data/data_batch_{number}{suffix}").write_bytes(content)
    return Task("open", ["data"], {"image_size": (32, 32)})
