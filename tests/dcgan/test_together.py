"""What rank 0 does while the others wait: it finds no other ranks, and may take any time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from dcgan import heartbeat, together
from dcgan.errors import Collapsed
from dcgan.run import collapse
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


def test_the_answer_to_a_collapse_is_no_part_of_a_step(monkeypatch):
    """It reads and writes checkpoints, for longer than a step may take on a slow disk."""
    watched, errors = SimpleNamespace(step=3, working=True), [Collapsed("D wins", 3, 1)]

    def train(run, progress):
        if errors:
            raise errors.pop()
        return True

    trainer = SimpleNamespace(train=train, spread=lambda: None)
    seen = []
    monkeypatch.setattr(heartbeat, "_now", watched)
    monkeypatch.setattr(collapse, "_answer", lambda *_: seen.append(watched.working))
    assert collapse.to_the_end(trainer, None, None, False) and seen == [False]
