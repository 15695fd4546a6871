"""What rank 0 does while the others wait: it finds no other ranks; what ranks compare, and what they gather."""

from __future__ import annotations

import numpy as np
import pytest

from dcgan import together
from dcgan.data import ArraySource
from dcgan.errors import UserError
from gpunet import distributed
from gpunet.layers import Linear
from gpunet.optim import Adam
from threads_as_ranks import on_ranks


def trained():
    """Train a layer for a step, as the features of --measure-every are."""
    net = Linear(2, 1)
    adam = Adam(net.parameters())
    net.forward(np.ones((3, 2), "float32"))
    net.backward(np.ones((3, 1), "float32"))
    adam.step()
    return distributed.ranks().size


def test_a_network_that_rank_0_trains_alone_sends_nothing():
    """Else it would wait for gradients of the others, which wait for it."""
    messages = []
    assert on_ranks(2, lambda ranks: together.on_first(trained), messages) == [1, None]
    assert messages == [(2,)], "the agreement about errors alone"


def test_ranks_are_there_again_behind_it():
    def work(ranks):
        together.on_first(trained)
        return distributed.ranks() is ranks

    assert on_ranks(2, work) == [True, True]


@pytest.mark.parametrize(
    ("mine", "first", "line"),
    [
        ({"--steps": 6}, {"--steps": 3}, "--steps: 6, rank 0 has 3"),
        ({"--lr": 0.1}, {}, "--lr: 0.1, rank 0 has none"),
        ({"--lr": None}, {"--lr": 0.1}, "--lr: none, rank 0 has 0.1"),
        ({"version": "0.2"}, {"version": "0.1"}, "version: 0.2, rank 0 has 0.1"),
        ({"--a": 1, "--c": (4,)}, {"--a": 2, "--b": 0, "--c": [4]}, "--a: 1, rank 0 has 2; --b: none, rank 0 has 0"),
        ({"--a": (4, 4), "--b": None}, {"--a": [4, 4], "--b": None}, None),
    ],
)
def test_values_that_are_not_those_of_rank_0_are_refused(monkeypatch, mine, first, line):
    """This process is told what rank 0 has."""
    monkeypatch.setattr(together, "__version__", mine.pop("version", "0.1"))
    group = distributed.Ranks()
    group.size, group.tell = 2, lambda value: {"version": "0.1", **first} if "version" in value else value
    with distributed.among(group):
        if line is None:
            return together.require_same(mine)
        with pytest.raises(UserError) as error:
            together.require_same(mine)
    assert str(error.value) == line


def test_files_that_ranks_could_not_read_are_listed_once():
    source = ArraySource(np.zeros((1, 1, 1, 1), "uint8"), "", "", [("a.png", "truncated")])
    group = distributed.Ranks()
    group.size = 3
    others = [[["b.png", "gone"], ["a.png", "truncated"]], [["b.png", "?"], ["0.png", "empty"]]]
    group.gather = lambda mine: [mine, *others]
    skipped = together.Skipped(source)
    assert skipped.all() == [("a.png", "truncated")]
    with distributed.among(group):
        skipped.gather()
    expected = [("a.png", "truncated"), ("0.png", "empty (rank 2)"), ("b.png", "gone (rank 1)")]
    assert skipped.all() == expected
