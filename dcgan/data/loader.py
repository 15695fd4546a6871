"""Shuffled batches, gathered ahead of the training step by a thread."""

from __future__ import annotations

import functools
import queue
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from dcgan.data.source import Source, require_batch

Start = tuple[int, int]  # (epoch, position in its order)


class Batch(NamedTuple):
    """One batch: the epoch it belongs to, where it starts in that epoch's order, and its uint8 images (N, H, W, C).

    labels (N,), int32, or None where the data has none; next_start: the `start` of a loader that is to go on behind
    this batch, in the next epoch where this one is over.
    """

    epoch: int
    position: int
    images: np.ndarray
    labels: np.ndarray | None
    next_start: Start


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of the images in an epoch: a pure function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(source: Source, batch_size: int, seed: int, start: Start, wrap: bool = False) -> Iterator[Batch]:
    """Batches for ever from (epoch, position) on.

    The last images of an epoch that fill no batch are left out, or with `wrap` go into one with the next epoch's first.
    """
    count = len(source)
    order = functools.lru_cache(2)(lambda epoch: epoch_order(seed, epoch, count))
    start = _behind(
        start[0], start[1] - batch_size, batch_size, count, wrap
    )  # where too little is left, the next epoch
    while True:
        epoch, position = start
        chosen = order(epoch)[position : position + batch_size]
        if len(chosen) < batch_size:
            chosen = np.concatenate([chosen, order(epoch + 1)[: batch_size - len(chosen)]])
        start = _behind(epoch, position, batch_size, count, wrap)
        images = source.batch(chosen)  # before the labels: a damaged file, found only now, may change one
        labels = None if source.labels is None else np.asarray(source.labels)[chosen].astype("int32")
        yield Batch(epoch, position, images, labels, start)


def _behind(epoch: int, position: int, batch_size: int, count: int, wrap: bool) -> Start:
    """Return where the batch after the one at this place begins."""
    end = position + batch_size
    if wrap:
        return epoch + end // count, end % count
    return (epoch, end) if end + batch_size <= count else (epoch + 1, 0)


class Loader:
    """Iterates over Batch(epoch, position, images) without end; a thread keeps `ahead` batches ready.

    wrap   whether images left over at an epoch's end go into a batch with the next epoch's first
    start  (epoch, position) of the first batch; from a batch's `next_start` on, the batches are exactly those that the
           loader which gave that batch would have given
    Raises UserError where the source holds less than one batch, ValueError for a start outside the data; whatever the
    thread meets is raised by the next step of the iteration. `close()` (or leaving a `with` block) stops the thread.
    """

    def __init__(
        self, source: Source, batch_size: int, seed: int, start: Start = (0, 0), ahead: int = 4, wrap: bool = False
    ):
        require_batch(source, batch_size)
        epoch, position = start
        if epoch < 0 or not 0 <= position <= len(source):
            raise ValueError(f"start {start}: expected an epoch of 0 or more and a position from 0 to {len(source)}")
        self.batches_per_epoch = len(source) // batch_size
        source.expect(epoch_order(seed, epoch, len(source))[position:])
        self._ready: queue.Queue = queue.Queue(maxsize=ahead)
        stop = threading.Event()
        work = batches(source, batch_size, seed, (epoch, position), wrap)
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
