"""The table of all readers, and which of them a case belongs to."""

from __future__ import annotations

import importlib.util
from random import Random

from tests.fuzz.readers import archives, arrays, cifar, folders, hdf5, label_tables, lmdb_folders, pictures, runs, texts
from tests.fuzz.task import Reader

READERS = {
    "picture": Reader(pictures.make, 120),
    "folder": Reader(folders.make, 60),
    "labels": Reader(folders.make_labels, 40),
    "label table": Reader(label_tables.make_table, 30),
    "columns": Reader(label_tables.make_columns, 30, "pyarrow"),
    "zip": Reader(archives.make_zip, 100),
    "tar": Reader(archives.make_tar, 50),
    "idx": Reader(arrays.make_idx, 70),
    "cifar": Reader(cifar.make, 60),
    "npy": Reader(arrays.make_npy, 60),
    "npz": Reader(arrays.make_npz, 50),
    "hdf5": Reader(hdf5.make, 90),
    "packed": Reader(hdf5.make_packed, 50),
    "cache": Reader(hdf5.make_cache, 20),
    "store": Reader(hdf5.make_store, 20),
    "lmdb": Reader(lmdb_folders.make, 30, "lmdb"),
    "checkpoint": Reader(runs.make_checkpoint, 30),
    "run folder": Reader(runs.make_files, 40),
    "config file": Reader(texts.make_config, 30),
    "options": Reader(texts.make_options, 20),
}
# The reader of case K is PLAN[K % 1000]: shuffled, so that any part of the cases has some of each.
PLAN = [name for name, reader in READERS.items() for _ in range(reader.share)]
Random(0).shuffle(PLAN)
assert len(PLAN) == 1000


def reader_of(case: int) -> str:
    """Return the name of the reader of a case."""
    return PLAN[case % len(PLAN)]


def is_there(name: str) -> bool:
    """Whether the package that a reader needs is installed."""
    return not READERS[name].needs or importlib.util.find_spec(READERS[name].needs) is not None
