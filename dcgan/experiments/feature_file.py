"""D's features of a whole data set: read batch by batch, written to HDF5, or kept in memory for a classifier."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from tqdm import tqdm

from dcgan import api
from dcgan.data import Source
from dcgan.errors import UserError
from dcgan.experiments import real
from dcgan.trained import Trained

CHUNK_BYTES = 2**20  # rows that HDF5 stores together


class Features(NamedTuple):
    """Features of pictures (N, F), float32, their labels (N,), and the names of the classes."""

    rows: np.ndarray
    labels: np.ndarray
    classes: list[str]


def batches(by: Trained, source: Source) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (indices, features (n, F)) of all pictures in their order. UserError: networks with labels, data without.

    The features are those of dcgan.discriminator_features: every map behind an activation, max-pooled to 4x4.
    """
    run = api.Run(by)
    for indices, pictures, labels in tqdm(
        real.batches(source), total=-(-len(source) // 128), unit="batch", disable=None
    ):
        yield indices, run.features(pictures, real.labels_for(by, labels))


def write(path: Path, by: Trained, source: Source) -> tuple[int, int]:
    """Write "features" (N, F), and "labels" (N,) and "classes" where the data has them; return (N, F).

    The file is called PATH.part until it is whole and on the disk, so that no half of one is taken for the whole.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with h5py.File(part, "w") as file:
            for indices, rows in batches(by, source):
                if "features" not in file:
                    shape, chunk = (len(source), rows.shape[1]), max(1, CHUNK_BYTES // rows[0].nbytes)
                    file.create_dataset("features", shape, "float32", chunks=(min(chunk, shape[0]), shape[1]))
                file["features"][indices[0] : indices[-1] + 1] = rows
            if source.labels is not None:
                file["labels"] = np.asarray(source.labels)
                file["classes"] = [str(name) for name in source.classes or []]
            file.attrs.update(run=by.run, step=by.step, data=source.description)
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return shape


def held(by: Trained, source: Source, option: str) -> Features:
    """Return the features of pictures with labels, in memory. UserError: they have no labels."""
    if source.labels is None:
        raise UserError(f"{option}: these pictures have no labels, which a classifier needs")
    rows: np.ndarray | None = None
    for indices, some in batches(by, source):
        if rows is None:
            rows = np.empty((len(source), some.shape[1]), "float32")
        rows[indices] = some
    assert rows is not None  # a source holds at least one picture
    return Features(rows, np.asarray(source.labels), list(source.classes or []))
