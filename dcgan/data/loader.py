"""Shuffled batches, gathered ahead of the training step by a thread."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from dcgan.data.source import Source, require_batch


class Batch(NamedTuple):
    """One batch: the epoch it belongs to, where it starts in that epoch's order, and its uint8 images (N, H, W, C)."""

    epoch: int
    position: int
    images: np.ndarray

    @property
    def next_start(self) -> tuple[int, int]:
        """The `start` of a loader that is to go on behind this batch."""
        return self.epoch, self.position + len(self.images)


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of the images in an epoch: a pure function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(source: Source, batch_size: int, seed: int, start: tuple[int, int]) -> Iterator[Batch]:
    """Batches for ever from (epoch, position) on; the last images of an epoch that fill no batch are left out."""
    epoch, position = start
    while True:
        order = epoch_order(seed, epoch, len(source))
        for first in range(position, len(source) - batch_size + 1, batch_size):
            yield Batch(epoch, first, source.batch(order[first : first + batch_size]))
        epoch, position = epoch + 1, 0


class Loader:
    """Iterates over Batch(epoch, position, images) without end; a thread keeps `ahead` batches ready.

    start  (epoch, position) of the first batch; from a batch's `next_start` on, the batches are exactly those that the
           loader which gave that batch would have given
    Raises UserError where the source holds less than one batch, ValueError for a start outside the data; whatever the
    thread meets is raised by the next step of the iteration. `close()` (or leaving a `with` block) stops the thread.
    """

    def __init__(self, source: Source, batch_size: int, seed: int, start: tuple[int, int] = (0, 0), ahead: int = 4):
        require_batch(source, batch_size)
        epoch, position = start
        if epoch < 0 or not 0 <= position <= len(source):
            raise ValueError(f"start {start}: expected an epoch of 0 or more and a position from 0 to {len(source)}")
        self.batches_per_epoch = len(source) // batch_size
        self._ready: queue.Queue = queue.Queue(maxsize=ahead)
        stop = threading.Event()
        work = batches(source, batch_size, seed, (epoch, position))
        # The thread knows the queue but not the loader, so that a forgotten loader is collected and its thread stopped.
        thread = threading.Thread(target=_fill, args=(self._ready, work, stop), name="image loader", daemon=True)
        self._stop = weakref.finalize(self, _shut_down, self._ready, thread, stop)
        thread.start()

    def __iter__(self) -> Loader:
        return self

    def __next__(self) -> Batch:
        if not self._stop.alive:
            raise RuntimeError("this loader was closed: make a new one")
        item = self._ready.get()
        if isinstance(item, BaseException):
            self.close()
            raise item
        return item

    def close(self) -> None:
        """Stop the thread; a second call does nothing."""
        self._stop()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _fill(ready: queue.Queue, work: Iterator[Batch], stop: threading.Event) -> None:
    """The thread: put batches into the queue until told to stop."""
    try:
        for batch in work:
            ready.put(batch)
            if stop.is_set():
                return
    except BaseException as error:  # noqa: BLE001  (it belongs to whoever takes the next batch)
        ready.put(error)


def _shut_down(ready: queue.Queue, thread: threading.Thread, stop: threading.Event) -> None:
    """Empty the queue until the thread, which may wait for room in it, has seen the signal and ended."""
    stop.set()
    while True:
        with suppress(queue.Empty):
            while True:
                ready.get_nowait()
        if not thread.is_alive() or thread is threading.current_thread():  # the collector may run in any thread
            return
        thread.join(0.02)
