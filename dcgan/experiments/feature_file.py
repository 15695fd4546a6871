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
from dcgan.data.formats.checker import check
from dcgan.data.formats.hdf5 import dataset, text_attribute
from dcgan.data.formats.listing import digest
from dcgan.data.storage.packing import sync
from dcgan.data.storage.store import allocated, checksum
from dcgan.errors import UserError
from dcgan.experiments import real
from dcgan.sampling import BATCH
from dcgan.trained import Trained
from gpunet import backend

CHUNK_BYTES = 2**20  # rows that HDF5 stores together


class Features(NamedTuple):
    """Features of pictures (N, F), float32, their labels (N,), and the names of the classes."""

    rows: np.ndarray
    labels: np.ndarray
    classes: list[str]


def batches(by: Trained, source: Source, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (indices, features (n, F)) of the pictures from `first` on. UserError: networks with labels, data without.

    The features are those of dcgan.discriminator_features: every map behind an activation, max-pooled to 4x4.
    """
    run = api.Run(by)
    total, done = -(-len(source) // BATCH), first // BATCH
    for indices, pictures, labels in tqdm(
        real.batches(source, first), total=total, initial=done, unit="batch", disable=None
    ):
        yield indices, run.features(pictures, real.labels_for(by, labels))


def write(path: Path, by: Trained, source: Source) -> tuple[int, int]:
    """Write "features" (N, F), and "labels" (N,) and "classes" where the data has them; return (N, F).

    The file is called PATH.part until it is whole and on the disk, so that no half of one is taken for the whole. Rows
    have reached the disk before they are counted in its data set "done": a command that was stopped goes on behind
    them when it is given again, with the same weights and the same pictures.
    """
    part, mark = path.with_name(path.name + ".part"), _mark(by, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    first = rows_done(part, mark)
    if first:
        print(f"{part} has the features of {first:,} pictures already: going on behind them", flush=True)
    try:
        with h5py.File(part, "r+" if first else "w") as file:
            for indices, rows in batches(by, source, first):
                if "features" not in file:
                    _begin(file, mark, (len(source), rows.shape[1]))
                file["features"][indices[0] : indices[-1] + 1] = rows
                sync(file)
                file["done"][0] = indices[-1] + 1
            shape = file["features"].shape
            _finish(file, by, source)
    except BaseException:
        if not rows_done(part, mark):
            part.unlink(missing_ok=True)
        raise
    with open(part, "rb") as written:
        os.fsync(written.fileno())
    os.replace(part, path)
    return shape


def rows_done(part: Path, mark: str) -> int:
    """Return how many pictures' features an unfinished file holds; 0 where it is none, or is of other ones."""
    if not part.exists():
        return 0
    try:
        check("hdf5", part, "done")
        with h5py.File(part, "r") as file:
            done, features = dataset(file, "done"), dataset(file, "features")
            fits = text_attribute(file, "part") == mark and features is not None
            return int(done[0]) if fits and done is not None else 0
    except Exception:  # noqa: BLE001  (its process was killed while it created the file, or the file is damaged)
        return 0


def _mark(by: Trained, source: Source) -> str:
    """Return what tells features of these weights of D and these pictures from all others."""
    assert by.D is not None  # whoever asks for features has loaded D
    sums = [checksum(backend.to_numpy(array)) for array in by.D.state_dict().values()]
    return digest([by.run, by.step, source.fingerprint, *sums])


def _begin(file: h5py.File, mark: str, shape: tuple[int, int]) -> None:
    """Take the space of all rows: later writes then touch numbers only, and a kill leaves the file readable."""
    rows = max(1, min(shape[0], CHUNK_BYTES // (4 * shape[1])))
    allocated(file, "features", shape, np.float32, (rows, shape[1]))
    allocated(file, "done", (1,), np.int64)[:] = 0
    file.attrs["part"] = mark
    sync(file)


def _finish(file: h5py.File, by: Trained, source: Source) -> None:
    """Write what a whole file holds beside the features."""
    if source.labels is not None:
        for name, values in (("labels", np.asarray(source.labels)), ("classes", list(map(str, source.classes or [])))):
            if name in file:  # from an attempt that was stopped just here
                del file[name]
            file[name] = values
    file.attrs.update(run=by.run, step=by.step, data=source.description)
    del file["done"], file.attrs["part"]


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
