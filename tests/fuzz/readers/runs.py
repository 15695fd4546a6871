"""Run folders: checkpoints whose seal is right and whose content is not, and every other file that a run leaves."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from dcgan import train
from gpunet import checkpoint
from tests.fuzz.changes import NUMBERS, as_json, damaged, grafted, places, some_name, some_text, some_value
from tests.fuzz.readers import hdf5, pictures
from tests.fuzz.task import Task

CPU = ["--device", "cpu", "--implementation", "reference"]
TINY = [
    "--width",
    "2",
    "--image-size",
    "16",
    "--z-dim",
    "3",
    "--batch-size",
    "2",
    "--samples",
    "4",
    "--no-progress",
    *CPU,
]
HEAVY = ("width", "z_dim", "image_size", "samples", "batch_size", "steps", "epochs", "classes", "ratio", "crop")
Files = dict[str, bytes]


@functools.cache
def sound(base: Path) -> Files:
    """Return every file of a run of three tiny steps on pictures that stay in the folder `base`."""
    (base / "data").mkdir(parents=True)
    for number in range(4):
        pictures.save_sound(base / f"data/{number}.png")
    # The folder of the pictures is an absolute path in the run's config, so that the mutated run finds them.
    train.main([*TINY, "--data", str(base / "data"), "--out", str(base), "--steps", "3", "--checkpoint-every", "2"])
    run = base / "0001-dcgan64"
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def write(files: Files, folder: Path) -> None:
    """Write the files of a run."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def tamed(tree: Any, heavy: bool = False) -> Any:
    """Return a config without numbers that are no mistake but take minutes: from 65 up to a million."""
    if isinstance(tree, dict):
        return {key: tamed(value, key in HEAVY) for key, value in tree.items()}
    if isinstance(tree, list):
        return [tamed(value, heavy) for value in tree]
    if heavy and (tree == "1_000" or (isinstance(tree, int | float) and 64 < tree < 10**6)):
        return 2**31 - 1
    return tree


def change_config(random: Random, content: bytes) -> bytes:
    """Return a config.json in which options have other values or are missing."""
    return as_json(random, tamed(grafted(random, json.loads(content))))


def change_array(random: Random, array: np.ndarray) -> Any:
    """Return an array of another shape, type or content, or what is no array."""
    kind = random.randrange(6)
    if kind == 0 and array.size:
        array = array.copy()
        array.reshape(-1)[random.randrange(array.size)] = (
            random.choice((0, 1, -1, np.nan, np.inf, 1e38)) if array.dtype.kind == "f" else 1
        )
        return array
    choices = [
        array.astype(random.choice(("f8", "f2", "i1", "?"))),
        array[:0],
        array[None],
        array.reshape(-1),
        array[..., :1],
    ]
    return [*choices, np.array(1, "f4"), 1.5, None, "text", []][random.randrange(10)] if array.ndim else None


def change_tree(random: Random, tree: dict[str, Any]) -> dict[str, Any]:
    """Return the tree of a checkpoint with one or two values changed, exchanged or left out."""
    for _ in range(random.randint(1, 2)):
        found = places(tree)
        where, key = random.choice(found[:10] if random.random() < 0.5 else found)
        value, kind = where[key], random.randrange(5)
        if kind == 0:
            del where[key]
        elif isinstance(value, np.ndarray):
            where[key] = change_array(random, value)
        elif key == "config":
            where[key] = change_config(random, value.encode()).decode("utf-8", "replace")
        elif kind == 1:
            other, at = random.choice(found)
            where[key] = None if isinstance(other[at], dict) else other[at]
        else:
            value = random.choice((*NUMBERS, "text", None, [], {}))
            where[key] = value
    return tree


def sealed(random: Random) -> bytes:
    """Return a file with a right checksum and any HDF5 content behind it."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=checkpoint.BLOCK) as file:
        texts = [
            b'{"gan": {"__array__": "arrays/a"}, "config": "{}"}',
            b'{"__array__": 3}',
            b"[" * 10**5,
            b"",
            b"{}",
            b"\xff",
            b'{"__array__": "../a"}',
        ]
        if random.random() < 0.8:
            file["tree"] = np.frombuffer(random.choice(texts), "u1")
        for name in random.sample(["tree", "arrays/a", "arrays", "a"], 2):
            hdf5.add(random, file, name)
    body = buffer.getvalue()[checkpoint.BLOCK :]
    body = hdf5.structure_damaged(random, body) if random.random() < 0.5 else body
    return checkpoint.HEADER.format(hashlib.sha256(body).hexdigest(), len(body)).encode().ljust(checkpoint.BLOCK) + body


def make_checkpoint(random: Random, place: Path) -> Task:
    """A run whose newest checkpoint is mutated, resumed or asked for pictures."""
    files, path = dict(sound(place.parent / "base")), place / "run/checkpoints/000003.h5"
    content = files.pop("checkpoints/000003.h5")
    if random.random() < 0.5:
        files = {name: data for name, data in files.items() if not name.startswith("checkpoints/")}
    write(files, place / "run")
    path.parent.mkdir(exist_ok=True)
    kind = random.randrange(6)
    if kind < 4:
        path.write_bytes(content)
        checkpoint.save(path, change_tree(random, checkpoint.load(path)))
    else:
        path.write_bytes(damaged(random, content) if kind == 4 else sealed(random))
    target = random.choice(("run", "run/checkpoints/000003.h5"))
    if random.random() < 0.5:
        return Task("generate", [target, "--count", "2", "--out", random.choice(("x.png", "x")), *CPU])
    return Task("train", ["--resume", target, "--steps", "4", "--no-progress", *CPU])


def change_lines(random: Random, content: bytes) -> bytes:
    """Return a log in which lines are changed, doubled, exchanged or torn."""
    lines = [json.loads(line) for line in content.splitlines()]
    lines = [
        grafted(random, line) if random.random() < 0.5 else line
        for line in lines
        for _ in range(random.choice((1, 1, 2)))
    ]
    if random.random() < 0.3:
        lines += [
            {"step": random.choice(NUMBERS), "loss_d": some_value(random), "images_per_second": some_value(random)}
        ]
    random.shuffle(lines)
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return damaged(random, data) if random.random() < 0.3 else data


COMMANDS: list[list[str]] = [
    ["runs", "."], ["runs", "."], ["runs", "."], ["train", "--resume", "run", "--dry-run"],
    ["train", "--resume", "run", "--dry-run"],
    ["train", "--resume", "run", "--steps", "4", "--no-progress", *CPU],
    ["train", "--config", "run/config.json", "--dry-run", *CPU],
    ["doctor", "run"], ["doctor", "run", "--json"],
    ["generate", "run", "--count", "1", "--label", "a", "--out", "x.png", *CPU],
    ["generate", "run", "--count", "1", "--out", "x.png", *CPU],
    ["report", "run", "--out", "x.html"], ["report", "run", "--out", "x.html"],
]  # fmt: skip


def change_file(random: Random, files: Files, base: Files) -> None:
    """Change, empty or rename one file of a run; `base` has them all as they were."""
    name = random.choice(("config.json", "log.jsonl", "timing.jsonl", "run.json", random.choice(sorted(base))))
    if name not in files:
        return
    if random.random() < 0.15:
        other = random.choice(("samples/²³.png", "checkpoints/²³.h5", "checkpoints/99999999999.h5", name))
        files[other] = files.pop(name)
    elif name == "config.json":
        files[name] = change_config(random, base[name])
    elif name.endswith(".jsonl"):
        files[name] = change_lines(random, base[name])
    elif name == "run.json":
        files[name] = as_json(random, grafted(random, {**json.loads(base[name]), "classes": ["a", "b"]}))
    else:
        files[name] = random.choice((damaged(random, base[name]), b""))


def make_files(random: Random, place: Path) -> Task:
    """A run of which one or two files are mutated, missing or folders, and any command that reads runs."""
    base = sound(place.parent / "base")
    files = dict(base)
    for _ in range(random.randint(1, 2)):
        change_file(random, files, base)
    write(files, place / "run")
    if random.random() < 0.1:
        write(base, place / os.fsdecode(some_name(random)))
    if random.random() < 0.1:
        write(base, place / "other")
        return Task(
            *random.choice((("plot", ["run"]), ("plot", ["run", "other"]), ("compare", ["run", "other", "--out", "."])))
        )
    command, *arguments = random.choice(COMMANDS)
    return Task(
        command,
        [*arguments, *(["--samples", some_text(random)] if random.random() < 0.02 and command == "train" else [])],
    )
