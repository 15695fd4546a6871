"""Signs of life: how ranks learn that all of them wait for each other. Real ranks that do so: test_trainings.py."""

from __future__ import annotations

import numpy as np
import pytest

from dcgan.heartbeat import Waits


def told(calls: list[list[int | None]], lost: float = 0.0) -> np.ndarray:
    """Return the numbers (seconds, ranks) of ranks whose calls second by second are given: a number, None: it computes.

    A rank hears a second later what the one before has said; some of it is lost on the way.
    """
    size, rng = len(calls[0]), np.random.default_rng(0)
    ranks, said, found = [Waits() for _ in range(size)], [None] * size, []
    for now in calls:
        heard = [None if rng.random() < lost else said[rank - 1] for rank in range(size)]
        said = [each.seconds(call, news) for each, call, news in zip(ranks, now, heard, strict=True)]
        found.append(said)
    return np.array(found)


def test_the_example_of_the_docstring():
    """Ranks 0, 1 and 2 have waited for 9, 3 and 30 seconds; rank 1 sends 3, then rank 2 sends 4, then rank 0 has 5."""
    begun = (21, 27, 0)  # of 30 seconds
    numbers = told([[1 if second >= start else None for start in begun] for second in range(33)])
    assert (numbers[30, 1], numbers[31, 2], numbers[32, 0]) == (3, 4, 5)


@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_rank_that_computes_keeps_all_numbers_small(size):
    """Also where it waits for a second now and then: not longer than it takes to go round."""
    numbers = told([[7] * (size - 1) + [None if second % 3 else second] for second in range(100)])
    assert numbers.max() <= size


def test_short_waits_one_after_another_are_no_long_one():
    assert told([[second] * 3 for second in range(50)]).max() == 0


@pytest.mark.parametrize("size", [2, 3, 8])
def test_the_number_grows_while_all_wait_and_never_says_too_much(size):
    """Where R ranks have the number n, all of them have just waited at the same time for n - R seconds or more."""
    rng, since = np.random.default_rng(1), [0] * size
    calls, together = [], []
    for second in range(400):
        for rank in range(size):
            if second < 200 and rng.random() < 0.1 / size:  # it computes for a second, then waits in another call
                since[rank] = second + 1
        calls.append([None if start > second else start for start in since])
        together.append(second - max(since))
    numbers = told(calls)
    just = [max(together[max(0, second - size) : second + 1]) for second in range(400)]
    assert (numbers.max(1) - size <= just).all() and numbers[:200].max() > size
    assert numbers[-1].min() >= together[-1] - 1 > 190


def test_news_that_come_late_only_delay_the_end():
    numbers = told([[1, 1, 1]] * 60, lost=0.3)
    assert numbers[-1].min() >= 50
