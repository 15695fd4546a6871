"""A packed file without near duplicates: all pictures are packed first, then those that stay are copied."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from dcgan.data.formats.listing import Listing, digest
from dcgan.data.recipe import Recipe
from dcgan.data.storage import reading
from dcgan.data.storage.packed import SUMS, PackedSource
from dcgan.data.storage.packing import pack
from dcgan.data.storage.store import checksum
from dcgan.errors import UserError
from dcgan.experiments import dedup


def fingerprint(of_all: str) -> str:
    """Return the fingerprint of the packed file without near duplicates; of_all: that of the file with them."""
    return digest([of_all, "dedup"])


def pack_once(listing: Listing, recipe: Recipe, out: Path, workers: int | None, progress: bool) -> int:
    """Pack every readable picture into `out`, of near duplicates the first; return their number.

    All pictures wait in OUT.all meanwhile, so that a command that was stopped need not decode them again.
    """
    everything = out.with_name(out.name + ".all")
    if not (everything.exists() and _is_of(everything, reading.fingerprint(listing, recipe))):
        everything.unlink(missing_ok=True)
        pack(listing, recipe, everything, workers, progress)
    source = PackedSource(everything, own=True)
    try:
        found = dedup.duplicates(source, progress=progress)
        print(f"{len(found):,} near duplicates of {len(source):,} pictures are left out")
        count = _copy(source, found, names_of(listing, source), out, progress)
    finally:
        source.close()
    everything.unlink()
    return count


def _is_of(path: Path, expected: str) -> bool:
    """Return whether a file holds the pictures of this fingerprint, whole."""
    try:
        source = PackedSource(path)
    except UserError:
        return False
    source.close()
    return source.fingerprint == expected


def names_of(listing: Listing, source: PackedSource) -> list[str]:
    """Return the names of the packed pictures: those listed without those skipped; numbers if they do not add up."""
    skipped = {name for name, _ in source.skipped}
    names = [name for name in map(listing.name, range(len(listing))) if name not in skipped]
    return names if len(names) == len(source) else [f"picture {number}" for number in range(len(source))]


def _copy(source: PackedSource, found: dict[int, int], names: list[str], out: Path, progress: bool) -> int:
    """Write the pictures that are no near duplicates into `out`, which is whole or not there; return their number."""
    kept = np.array([index for index in range(len(source)) if index not in found])
    skipped = [*source.skipped, *((names[i], f"near duplicate of {names[before]}") for i, before in found.items())]
    part, text = out.with_name(out.name + ".part"), h5py.string_dtype()
    try:
        with h5py.File(part, "w") as file:
            _copy_images(file, source, kept, progress)
            if source.labels is not None:
                file["labels"] = np.asarray(source.labels)[kept].astype("int32")
                file.create_dataset("classes", data=np.array(source.classes, dtype=object), dtype=text)
            file.create_dataset("skipped", data=np.array(skipped, dtype=object).reshape(-1, 2), dtype=text)
            file.attrs.update(source.file.attrs)
            file.attrs.update(fingerprint=fingerprint(source.fingerprint), count=len(kept), skipped_files=len(skipped))
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return len(kept)


def _copy_images(file: h5py.File, source: PackedSource, kept: np.ndarray, progress: bool) -> None:
    """Write the pictures `kept` of a source, and their checksums."""
    shape, chunk = source.images.shape[1:], source.images.chunks[0]
    images = file.create_dataset("images", (len(kept), *shape), "uint8", chunks=(min(chunk, len(kept)), *shape))
    sums = np.empty(len(kept), "uint32")
    bar = tqdm(kept.tolist(), desc="Writing images", unit=" images", delay=0.5, disable=not progress)
    for row, index in enumerate(bar):
        image = source.batch(np.array([index]))[0]
        images[row], sums[row] = image, checksum(image)
    file[SUMS] = sums
