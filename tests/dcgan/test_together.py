"""What rank 0 does while the others wait: it finds no other ranks."""

from __future__ import annotations

import numpy as np

from dcgan import together
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
