"""D's part in the loss of an inversion: its maps and its answer, and the gradient of both by the pictures.

The layers of D are passed one by one, so that gradients can be added to the maps between them on the way back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dcgan.discriminator_features import is_active
from gpunet.backend.devices import Array
from gpunet.layers import Residual, Sequential
from gpunet.layers.base import unrounded


class Judged(NamedTuple):
    """What D says to pictures: maps {place among D.steps: (N, H, W, C)} and its answers (N, 1)."""

    maps: Mapping[int, Array]
    answers: Array


@contextlib.contextmanager
def differentiated(D: Sequential) -> Iterator[Sequential]:
    """Within the block D, in evaluation mode, passes gradients on and computes none of its parameters.

    Its layers hand over plain arrays, to which a gradient can be added (no Factor, gpunet.backend.factors, and nothing
    Summed, gpunet.backend.epilogue).
    """
    names = ("rounding_y", "rounding_dx", "sums_y", "sums_dx")
    before = [(layer, name, vars(layer)[name]) for layer in D.walk() for name in names if name in vars(layer)]
    try:
        for layer, name, _ in before:
            setattr(layer, name, unrounded)
        with D.eval().saving(), D.frozen():
            yield D
    finally:
        for layer, name, value in before:
            setattr(layer, name, value)


def forward(D: Sequential, x: Array) -> Judged:
    """Return what D says to pictures x (N, H, W, C): its maps behind activations and behind residual blocks."""
    maps = {}
    for place, layer in enumerate(D.steps):
        x = layer.forward(x)
        if x.ndim == 4 and (is_active(layer) or isinstance(layer, Residual)):
            maps[place] = x
    return Judged(maps, x)


def backward(D: Sequential, dmaps: Mapping[int, Array], danswers: Array) -> Array:
    """Return dx (N, H, W, C) for the gradients of maps, by their places, and of the answers; after `forward`."""
    dy = danswers
    for place, layer in reversed(list(enumerate(D.steps))):
        dy = layer.backward(dy + dmaps[place] if place in dmaps else dy)
    return dy
