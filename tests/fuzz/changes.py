"""Mutations that any input may suffer: of bytes, of numbers within them, of texts and of trees of plain values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

# Whole numbers at which counts, lengths and offsets break: around zero and around the ends of every width.
WHOLE = [0, 1, 2, 3, 4, 7, 8, 9, 16, 127, 128, 255, 256, 511, 512, 4096, 32767, 32768, 65535, 65536, 10**6]
WHOLE += [2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS = [*WHOLE, *(-n for n in WHOLE[1:]), 10**30, 10**400, 0.0, -0.0, 0.5, 1e-320, 1e-9, 1e9, 1e38, 1e39, 1e308]
NUMBERS += [float("nan"), float("inf"), -float("inf"), 1.5, True, False]
TEXTS = [
    *("", " ", "0", "-1", "1", "1e400", "nan", "NaN", "-inf", "1_000", "٣", "²", "0x10", "1.5", "true", "null"),
    *("..", "../private", "../private/secret.txt", "/etc/passwd", "/dev/zero", "~", ".", "/", "//", "C:\\a",
        "a\\..\\b"),
    *("a" * 300, "é", "日本", "\u202e", "\ud800", "a\nb", "a\rb", "a\tb", "\x1b[31m", "\x7f", "a\0b", "%s%n", "{}"),
    *("{0.__class__}", "--help", "--", "-", "--version", "$HOME", "`id`", "'", '"', "; true", "*", "?", "[", "[]"),
    *("CON", "nul.png", "9" * 5000),
]  # fmt: skip


def packed(random: Random, number: int | None = None) -> bytes:
    """Return an odd whole number, or the one given, in 1, 2, 4 or 8 bytes of either order; what is too long is cut."""
    size, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    whole = random.choice(WHOLE) if number is None else number
    return (whole % 256**size).to_bytes(size, order)


def span(random: Random, data: bytes | bytearray, most: int = 64) -> tuple[int, int]:
    """Return the ends of a short range within the data."""
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.randint(1, most))


def flip(random: Random, data: bytes) -> bytes:
    """Turn one bit."""
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def number(random: Random, data: bytes) -> bytes:
    """Write an odd number over some bytes."""
    at, new = random.randrange(len(data)), packed(random)
    return data[:at] + new + data[at + len(new) :]


def near(random: Random, data: bytes) -> bytes:
    """Change a byte by a little, as an offset that is off by one."""
    at = random.randrange(len(data))
    return data[:at] + bytes([(data[at] + random.choice((-2, -1, 1, 2))) % 256]) + data[at + 1 :]


def cut(random: Random, data: bytes) -> bytes:
    """Keep the beginning only."""
    return data[: random.randrange(len(data))]


def drop(random: Random, data: bytes) -> bytes:
    """Leave a range out."""
    start, end = span(random, data)
    return data[:start] + data[end:]


def double(random: Random, data: bytes) -> bytes:
    """Insert a range a second time, somewhere."""
    (start, end), at = span(random, data), random.randrange(len(data) + 1)
    return data[:at] + data[start:end] + data[at:]


def fill(random: Random, data: bytes) -> bytes:
    """Write zeros, ones or noise over a range."""
    start, end = span(random, data)
    new = random.choice((bytes(end - start), b"\xff" * (end - start), random.randbytes(end - start)))
    return data[:start] + new + data[end:]


def append(random: Random, data: bytes) -> bytes:
    """Put noise, zeros or the data itself behind the data."""
    return data + random.choice((b"\0", bytes(600), random.randbytes(40), data))


CHANGES: list[Callable[[Random, bytes], bytes]] = [flip, flip, number, number, near, cut, drop, double, fill, append]


def damaged(random: Random, data: bytes, most: int = 4) -> bytes:
    """Return the data with one to `most` changes that know nothing of its structure."""
    for _ in range(random.randint(1, most)):
        if data:
            data = random.choice(CHANGES)(random, data)
    return data


def fields(random: Random, data: bytes, places: list[tuple[int, int, str]]) -> bytes:
    """Write odd numbers over one to three of the fields (offset, size, order) of a header; order is little or big."""
    content = bytearray(data)
    if not places:
        return damaged(random, data)
    for at, size, order in random.choices(places, k=random.randint(1, 3)):
        if at + size <= len(content):
            old = int.from_bytes(content[at : at + size], order)  # type: ignore[arg-type]
            new = random.choice([*WHOLE, old + 1, old - 1, 2 * old, old // 2, random.getrandbits(8 * size)])
            content[at : at + size] = (new % 256**size).to_bytes(size, order)  # type: ignore[arg-type]
    return bytes(content)


def some_text(random: Random) -> str:
    """Return an odd text."""
    if random.random() < 0.2:
        return "".join(chr(random.choice((random.randrange(32, 127), random.randrange(0xD7FF)))) for _ in range(9))
    return random.choice(TEXTS)


def some_name(random: Random) -> bytes:
    """Return an odd name of a file, as bytes; it may not be UTF-8, but leads to no other folder."""
    name = some_text(random).encode("utf-8", "surrogatepass") + random.choice((b"", b"\xff", b"\x80\xe9"))
    name = name.replace(b"/", b"_").replace(b"\0", b"_")[:200]
    return b"name" if name in (b"", b".", b"..") else name


def some_value(random: Random, depth: int = 0) -> Any:
    """Return an odd plain value, such as JSON or TOML may hold."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind < 3:
        return random.choice(NUMBERS)
    if kind < 5:
        return some_text(random)
    if kind == 5:
        return None
    if kind == 6:
        return {some_text(random): some_value(random, depth + 1) for _ in range(random.randrange(3))}
    return [some_value(random, depth + 1) for _ in range(random.randrange(4))]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Return (container, key) of every value in a tree of dictionaries and lists."""
    found: list[tuple[Any, Any]] = []
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        found += [(tree, key), *places(tree[key])]
    return found


def grafted(random: Random, tree: Any, most: int = 3) -> Any:
    """Return a copy of a tree in which values are replaced, left out, exchanged, retyped or nested deeper."""
    tree = copy.deepcopy(tree)
    for _ in range(random.randint(1, most)):
        found = places(tree)
        if not found:
            return some_value(random)
        (where, key), (other, at) = random.choice(found), random.choice(found)
        kind = random.randrange(6)
        if kind == 0:
            del where[key]
        elif kind == 1:
            where[key] = copy.deepcopy(other[at])
        elif kind == 2:
            where[key] = str(where[key]) if not isinstance(where[key], str) else [where[key]]
        elif kind == 3 and isinstance(where, dict):
            where[some_text(random)] = some_value(random)
        else:
            where[key] = some_value(random)
    return tree


def as_json(random: Random, tree: Any) -> bytes:
    """Return a tree as JSON text, now and then damaged, of another encoding or nested very deep."""
    text = json.dumps(tree, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2)))
    data = text.encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")
    if random.random() < 0.2:
        data = damaged(random, data, 2)
    if random.random() < 0.02:
        data = random.choice((b"[", b'{"a":')) * 100_000 + data
    return data
