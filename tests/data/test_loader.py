"""Loader: the order of the batches, going on from any place, and a thread that is never left behind."""

import gc
import threading
import time
from itertools import islice

import numpy as np
import pytest

from dcgan.data import ArraySource, Loader
from dcgan.errors import UserError


def numbered(count=23):
    """Images whose only pixel is their number."""
    images = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    return ArraySource(images, f"{count} images", "numbered")


def take(loader, count):
    with loader:
        return [(batch.epoch, batch.position, batch.images.ravel().tolist()) for batch in islice(loader, count)]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "image loader"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert loader_threads() == []


def test_the_order_is_the_permutation_of_seed_and_epoch():
    expected = []
    for epoch in range(3):
        order = np.random.default_rng([5, epoch]).permutation(23)
        expected += [(epoch, first, order[first : first + 4].tolist()) for first in (0, 4, 8, 12, 16)]
    assert take(Loader(numbered(), 4, seed=5), 15) == expected  # 23 = 5 * 4 + 3: three are left out of each epoch


def test_seeds_and_epochs_differ():
    orders = [take(Loader(numbered(), 20, seed), 2) for seed in (0, 1)]
    assert len({tuple(images) for batches in orders for _, _, images in batches}) == 4


@pytest.mark.parametrize("batch_size", [1, 4, 23])
def test_going_on_from_anywhere_gives_what_would_have_come(batch_size):
    source, count = numbered(), 2 * (23 // batch_size) + 1
    with Loader(source, batch_size, seed=3) as loader:
        starts = [(0, 0)] + [batch.next_start for batch in islice(loader, count - 1)]
    whole = take(Loader(source, batch_size, seed=3), count)
    for done, start in enumerate(starts):
        assert take(Loader(source, batch_size, 3, start), count - done) == whole[done:]


def test_a_batch_is_epoch_position_and_a_fresh_array():
    source = numbered(6)
    with Loader(source, 3, seed=0) as loader:
        epoch, position, images, labels, next_start, indices = next(loader)
        assert images.ravel().tolist() == indices.tolist() == np.random.default_rng([0, 0]).permutation(6)[:3].tolist()
        assert (epoch, position, labels) == (0, 0, None)
        assert images.dtype == np.uint8 and images.shape == (3, 1, 1, 1)
        images[:] = 99
        assert (source.images.ravel() == np.arange(6)).all()
        assert loader.batches_per_epoch == 2
        assert next_start == (0, 3) and next(loader).next_start == (1, 0)


def test_batches_are_gathered_before_they_are_asked_for():
    gathered = []

    class Counting(ArraySource):
        def batch(self, indices):
            gathered.append(threading.current_thread())
            return super().batch(indices)

    source = Counting(numbered().images, "", "")
    with Loader(source, 2, seed=0, ahead=3):
        until = time.monotonic() + 10
        while len(gathered) < 4 and time.monotonic() < until:  # three wait in the queue, the fourth for room
            time.sleep(0.005)
        time.sleep(0.05)
        assert len(gathered) == 4 and threading.main_thread() not in gathered


def test_the_source_hears_in_which_order_its_images_will_be_asked_for():
    heard = []
    source = numbered()
    source.expect = lambda order: heard.append(order.tolist())
    for start in ((0, 0), (2, 8)):
        take(Loader(source, 4, seed=5, start=start), 1)
    orders = [np.random.default_rng([5, epoch]).permutation(23).tolist() for epoch in (0, 2)]
    assert heard == [orders[0], orders[1][8:]]


def test_what_goes_wrong_in_the_thread_is_raised_by_the_iteration():
    class Failing(ArraySource):
        def batch(self, indices):
            if 7 in self.images[indices]:
                raise OSError("the disk is gone")
            return super().batch(indices)

    images = numbered(8).images
    sound = np.random.default_rng([0, 0]).permutation(8).tolist().index(7)
    with Loader(Failing(images, "", ""), 1, seed=0) as loader:
        assert len(list(islice(loader, sound))) == sound
        with pytest.raises(OSError, match="the disk is gone"):
            next(loader)
        with pytest.raises(RuntimeError, match="closed"):
            next(loader)


def test_closing():
    loader = Loader(numbered(), 2, seed=0)
    next(loader)
    loader.close()
    assert loader_threads() == []
    loader.close()
    with pytest.raises(RuntimeError, match="closed"):
        next(loader)


def test_a_forgotten_loader_takes_its_thread_with_it():
    loader = Loader(numbered(), 2, seed=0)
    next(loader)
    del loader
    gc.collect()
    assert loader_threads() == []


@pytest.mark.parametrize("start", [(-1, 0), (0, -1), (0, 24)])
def test_starts_outside_the_data(start):
    with pytest.raises(ValueError, match="expected an epoch of 0 or more and a position from 0 to 23"):
        Loader(numbered(), 4, seed=0, start=start)


def test_fewer_images_than_a_batch():
    with pytest.raises(UserError, match="fewer images than one batch"):
        Loader(numbered(3), 4, seed=0)
