"""GrowingSource: pictures that are decoded while training already runs, each at the latest when it is asked for."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections.abc import Sequence

import numpy as np

from dcgan.data.formats.listing import Listing, digest
from dcgan.data.limits import default_memory_limit
from dcgan.data.recipe import Wanted
from dcgan.data.source import Source, describe
from dcgan.data.storage import decode_ahead
from dcgan.data.storage.reading import fingerprint, read_one, require_some
from dcgan.data.storage.store import BROKEN, MISSING, THERE, Store
from dcgan.streams import one_line

AT_ONCE = 256  # pictures; where no more are missing, they are decoded when the data is opened
READ_BYTES = 2**22  # of the file, read in one go


class GrowingSource(Source):
    """Pictures of a listing, each in the place of its number, decoded when they are asked for or before.

    The order of an epoch is an order of all listed files, known before any is read. Where a file can't be read, its
    place shows the next picture of the listing that can, and its label: with files 3 and 4 damaged, places 3 and 4 show
    picture 5. So which picture stands where depends on the files alone, not on when the damage was found. `expect`
    starts processes of low priority that decode ahead (`job` tells them what, see dcgan.data.storage.decode_ahead).
    """

    def __init__(self, listing: Listing, wanted: Wanted, store: Store, job: decode_ahead.Job | None = None):
        self.listing, self.recipe, self.what = listing, wanted.recipe, os.fspath(wanted.path)
        self.store, self.job = store, job
        self._reasons: dict[int, str] = {}  # why files can't be read, by their index
        self.helpers = decode_ahead.Helpers()
        self._stop = weakref.finalize(self, self.helpers.stop)
        warnings.filterwarnings("ignore", module="PIL")  # of odd files; `decode` raises what matters
        shape, labels = (len(listing), *self.recipe.shape), listing.labels
        # Sources without the unreadable files have other places, so another fingerprint.
        own = digest([fingerprint(listing, self.recipe), "a place for every file"])
        super().__init__(shape, "", own, None, labels, listing.classes)
        if labels is not None:
            self.labels = labels.copy()
        store.recover()
        missing = np.flatnonzero(~store.there())
        if len(missing) > AT_ONCE:  # decode none now, or one where all are missing: data without any is refused here
            missing = missing[: len(missing) == len(self)]
        for index in missing:
            self._place(int(index))
        self.description = self._described()

    def _described(self) -> str:
        text = describe(self.shape, one_line(self.what), self._lost(), self.classes, self.listing.notes)
        left = self.left()
        return f"{text}; {left:,} of them are decoded while training runs" if left else text

    def _lost(self) -> int:
        return len(self._reasons) + len(self.listing.skipped)

    def left(self) -> int:
        """How many pictures are still to be decoded."""
        return int(np.count_nonzero(self.store.state == MISSING))

    def progress(self) -> dict[str, str]:
        left = self.left()
        return {"decoded": f"{100 * (len(self) - left) // len(self)}%"} if left else {}

    def batch(self, indices: np.ndarray) -> np.ndarray:
        rows = np.array(indices, dtype=np.int64)
        for k in np.flatnonzero(self.store.state[rows] < THERE):
            rows[k] = self._place(int(rows[k]))
        for k in np.flatnonzero(self.store.unchecked[rows]):
            if not self.store.is_sound(int(rows[k])):  # a bit of the cache has changed: decode the picture again
                rows[k] = self._place(int(rows[k]))
        return self.store.images[rows]

    def _place(self, index: int) -> int:
        """Decode the picture that this place shows; return its index. Raises UserError where no file can be read."""
        count = len(self.listing)
        for other in ((index + step) % count for step in range(count)):  # behind the last comes the first
            if self._read(other):
                if self.labels is not None and self.listing.labels is not None:
                    self.labels[index] = self.listing.labels[other]
                return other
        require_some(0, self.skipped, self.what)
        raise AssertionError("unreachable")

    def _read(self, index: int) -> bool:
        """Decode picture `index` unless the store has it; return whether it could be read."""
        if self.store.state[index] >= THERE:
            return True
        if index not in self._reasons:
            image = read_one(self.listing, index, self.recipe)
            if not isinstance(image, str):
                self.store.put(index, image)
                return True
            self._reasons[index], self.store.state[index] = image, BROKEN
        return False

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """(name, reason) of what could not be read so far, by this process or those that decode ahead."""
        for index in np.flatnonzero(self.store.state == BROKEN).tolist():
            self._read(index)
        broken = [(one_line(self.listing.name(index)), reason) for index, reason in sorted(self._reasons.items())]
        return [*self.listing.skipped, *broken]

    @skipped.setter
    def skipped(self, value: Sequence[tuple[str, str]]) -> None:
        """Do nothing: Source sets an empty list, but the list is made anew from the store at every look."""

    def expect(self, order: np.ndarray) -> None:
        """Decode ahead in this order, then what it leaves out; where all are there, read the file into memory ahead."""
        rest = np.ones(len(self), bool)
        rest[order] = False
        order = np.concatenate([order, np.flatnonzero(rest)])
        order = order[~self.store.there()[order]]
        if len(order) and self.job:
            self.helpers.start(self.job, order)
        elif len(order):
            self.helpers.run(lambda stop: self._read_ahead(order, stop))
        elif self.store.path and self.store.images.nbytes <= default_memory_limit():
            self.helpers.run(self._warm)

    def _read_ahead(self, order: np.ndarray, stop: threading.Event) -> None:
        """Decode in this order, in this process: the store is in memory, which helper processes can't share."""
        for index in order.tolist():
            if stop.is_set():
                return
            self._read(index)

    def _warm(self, stop: threading.Event) -> None:
        """Read the file from beginning to end, so that the system has it in memory: faster than picture by picture."""
        assert self.store.path is not None
        buffer = bytearray(READ_BYTES)
        with open(self.store.path, "rb", buffering=0) as file:
            while not stop.is_set() and file.readinto(buffer):
                pass

    def close(self) -> None:
        """Stop decoding ahead and wait until what is there has reached the disk."""
        self._stop()
        self.store.save()
        self.listing.close()
