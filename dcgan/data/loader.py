"""Shuffled batches, which a thread gathers while the training step before them runs."""

from __future__ import annotations

import functools
import queue
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from dcgan.data.share import WHOLE, Share
from dcgan.data.source import Source, require_batch

Start = tuple[int, int]  # (epoch, position in its order)


class Batch(NamedTuple):
    """One batch of images, or a rank's share of it, and where the batch stands in the order of its epoch.

    epoch       the epoch it begins in, from 0 on
    position    the place of its first image in that epoch's order
    images      uint8 (N, H, W, C)
    labels      int32 (N,), or None where the data has none
    next_start  (epoch, position) of the batch after it: the `start` of a loader that goes on from here
    indices     int64: which images of the source the whole batch has
    """

    epoch: int
    position: int
    images: np.ndarray
    labels: np.ndarray | None
    next_start: Start
    indices: np.ndarray


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order of the images in an epoch: a pure function of (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    source: Source, batch_size: int, seed: int, start: Start, wrap: bool = False, share: Share = WHOLE
) -> Iterator[Batch]:
    """Endless batches, the first at `start`; of each batch only the images of a rank's share are read.

    An epoch's last images may be too few for a batch. They are left out; with `wrap` they form a batch together with
    the first images of the next epoch.
    """
    count = len(source)
    order = functools.lru_cache(2)(lambda epoch: epoch_order(seed, epoch, count))
    # Treat the start as the place behind a batch: where too little is left for one, that is the next epoch's beginning.
    start = _behind(start[0], start[1] - batch_size, batch_size, count, wrap)
    while True:
        epoch, position = start
        chosen = order(epoch)[position : position + batch_size]
        if len(chosen) < batch_size:
            chosen = np.concatenate([chosen, order(epoch + 1)[: batch_size - len(chosen)]])
        start, mine = _behind(epoch, position, batch_size, count, wrap), share.of(chosen)
        images = source.batch(mine)  # before the labels: a file found damaged now takes another's picture and label
        labels = None if source.labels is None else np.asarray(source.labels)[mine].astype("int32")
        yield Batch(epoch, position, images, labels, start, chosen)


def _behind(epoch: int, position: int, batch_size: int, count: int, wrap: bool) -> Start:
    """Return where the batch begins that comes after the one at (epoch, position).

    Example: of 10 images in batches of 4, after (0, 4) comes (1, 0), or (0, 8) with `wrap`, and then (1, 2).
    """
    end = position + batch_size
    if wrap:
        return epoch + end // count, end % count
    return (epoch, end) if end + batch_size <= count else (epoch + 1, 0)


class Loader:
    """An endless iterator of batches; a thread keeps `ahead` of them ready.

    start  (epoch, position) of the first batch. A loader that starts at a batch's `next_start` gives exactly the
           batches that came after that batch
    wrap   whether an epoch's last images, too few for a batch, form one with the next epoch's first
    share  the part of each batch that is read; all ranks together read every batch once
    Raises UserError where the source holds less than one batch, ValueError for a start outside the data. An error in
    the thread is raised by the next step of the iteration. `close()`, or the end of a `with` block, stops the thread.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        start: Start = (0, 0),
        ahead: int = 4,
        wrap: bool = False,
        share: Share = WHOLE,
    ):
        require_batch(source, batch_size)
        epoch, position = start
        if epoch < 0 or not 0 <= position <= len(source):
            raise ValueError(f"start {start}: expected an epoch of 0 or more and a position from 0 to {len(source)}")
        self.batches_per_epoch = len(source) // batch_size
        order = epoch_order(seed, epoch, len(source))[position:]
        source.expect(order if share.size == 1 else share.order(order, batch_size))
        self._ready: queue.Queue = queue.Queue(maxsize=ahead)
        stop = threading.Event()
        work = batches(source, batch_size, seed, (epoch, position), wrap, share)
        # The thread refers to the queue and not to the loader, so that a loader nobody uses is collected and its thread
        # stopped.
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
    """What the thread does: put batches into the queue until `stop` is set."""
    try:
        for batch in work:
            ready.put(batch)
            if stop.is_set():
                return
    except BaseException as error:  # noqa: BLE001  (whoever takes the next batch raises it)
        ready.put(error)


def _shut_down(ready: queue.Queue, thread: threading.Thread, stop: threading.Event) -> None:
    """Stop the thread; empty the queue meanwhile, since the thread may be waiting for space in it."""
    stop.set()
    while True:
        with suppress(queue.Empty):
            while True:
                ready.get_nowait()
        if not thread.is_alive() or thread is threading.current_thread():  # the garbage collector may run in it
            return
        thread.join(0.02)
