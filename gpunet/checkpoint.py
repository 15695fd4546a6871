"""Checkpoints: a tree of arrays and plain values in one HDF5 file that is whole or refused.

The file starts with a block of 512 bytes in front of the HDF5 data (HDF5 calls it the user block) holding one line,

    gpunet checkpoint 1 sha256=<of everything behind the block> bytes=<how many those are>

so a torn, cut or altered file is known before anything in it is read. Behind it, dataset `tree` is the tree as JSON
text in which each array is a reference into group `arrays`; `h5dump` and h5py open the file as any other. Nothing is
pickled: loading a file from a stranger runs no code, follows no link and unpacks nothing larger than the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from gpunet.files import write_atomically

HEADER = "gpunet checkpoint 1 sha256={} bytes={}"
START = HEADER.partition("=")[0].encode()
BLOCK = 512  # the smallest user block that HDF5 allows
ARRAY = "__array__"  # marks a reference in the JSON text


class CheckpointError(ValueError):
    """A file that is no complete checkpoint, or that could not be written."""


def save(path: str | os.PathLike, tree: dict[str, Any]) -> None:
    """Write a tree to one file, atomically.

    tree: nested dicts with string keys, lists, NumPy arrays of numbers, int (any size), float, str, bool, None.
    Raises TypeError or ValueError naming a value that cannot be stored, CheckpointError when the disk refuses (then
    nothing at `path` has changed).
    """
    import h5py  # here, not above: a quarter of a second that no start-up should wait for

    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_outline(tree, "arrays", arrays))
    buffer = io.BytesIO()  # in memory first: HDF5 itself does not survive a full disk well
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        file["tree"] = np.frombuffer(text.encode(), "uint8")
        for name, array in arrays.items():
            file[name] = array
    with buffer.getbuffer() as data:
        digest = hashlib.sha256(data[BLOCK:]).hexdigest()
        data[:BLOCK] = HEADER.format(digest, len(data) - BLOCK).encode().ljust(BLOCK - 1) + b"\n"
        try:
            write_atomically(path, data)
        except OSError as error:
            raise CheckpointError(f"could not write {path}: {error.strerror or error}") from error


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Return the tree of a file written by `save`. Raises CheckpointError for a file that is anything else."""
    import h5py

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error
    _verify(data, path)
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            outline = json.loads(_array(file, "tree", len(data)).tobytes())
            return _fill(outline, lambda name: _array(file, name, len(data)))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (a damaged file makes HDF5 raise nearly anything)
        raise CheckpointError(f"{path} is no checkpoint of this library: {error}") from error


def begins(path: str | os.PathLike) -> bool:
    """Return whether a file begins as those of `save` do; the rest may be damaged. CheckpointError: unreadable."""
    try:
        with open(path, "rb") as file:
            return file.read(len(START)) == START
    except OSError as error:
        raise CheckpointError(f"could not read {path}: {error.strerror or error}") from error


def _verify(data: bytes, path: str | os.PathLike) -> None:
    header = data[:BLOCK].rstrip()
    if not header.startswith(START):
        raise CheckpointError(f"{path} is no checkpoint: expected a file of gpunet.checkpoint, such as 000500.h5")
    body = memoryview(data)[BLOCK:]
    if header != HEADER.format(hashlib.sha256(body).hexdigest(), len(body)).encode():
        raise CheckpointError(f"{path} is damaged or cut short ({len(data)} bytes): its checksum does not match")


def _outline(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return the value for JSON, moving its arrays to `arrays` under their path in the tree."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        arrays[name] = value
        return {ARRAY: name}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or key in ("", ".", ARRAY) or "/" in key or "\0" in key:
                raise ValueError(f"{name}: got key {key!r}, expected a string without '/'")
        return {key: _outline(item, f"{name}/{key}", arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_outline(item, f"{name}/{i}", arrays) for i, item in enumerate(value)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"{name}: got {type(value).__name__}, expected a NumPy array of numbers or a plain value")


def _fill(value: Any, read: Any) -> Any:
    """Undo `_outline`."""
    if isinstance(value, dict):
        return read(value[ARRAY]) if ARRAY in value else {key: _fill(item, read) for key, item in value.items()}
    return [_fill(item, read) for item in value] if isinstance(value, list) else value


def _array(file: Any, name: str, limit: int) -> np.ndarray:
    """Read one dataset, refusing what `save` never writes and could lead elsewhere: links, filters, foreign storage."""
    import h5py

    parts = name.split("/")
    for i in range(len(parts)):
        if not isinstance(file.get("/".join(parts[: i + 1]), getlink=True), h5py.HardLink):
            raise ValueError(f"{name} is a link")
    dataset = file[name]
    storage = dataset.id.get_create_plist()
    inside = storage.get_layout() == h5py.h5d.CONTIGUOUS and storage.get_external_count() == 0
    if not inside or dataset.dtype.kind not in "biuf" or dataset.nbytes > limit:
        raise ValueError(f"{name} is no plain array of numbers")
    return np.asarray(dataset[()])
