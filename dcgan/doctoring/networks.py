"""Findings about the networks of a checkpoint: filters that never answer, an output that is stuck at its ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dcgan.discriminator_features import is_active
from dcgan.doctoring.evidence import DRAWN, YOUNG, Evidence
from dcgan.run.advice import Finding
from dcgan.sampling import balanced_labels, lowest
from gpunet import backend
from gpunet.backend.devices import Array, device_of
from gpunet.layers import Layer, Sequential

if TYPE_CHECKING:
    from dcgan.trainer import Trainer

DEAD = 0.1  # of a layer's channels: single ones stay dead in trainings that go well
DEAD_LEAST = 2  # channels: of the four of a tiny layer one may be dead by chance
STILL = 1e-6  # of the layer's largest spread: float32 rounds a constant to about that
ENDS = 1.0  # grey levels from black or white within which tanh's slope is below 0.02: nothing is learned there
STUCK = 0.3  # of G's numbers, more than of the real pictures' that lie there: a flat background lies there in both


def dead_filters(evidence: Evidence) -> Finding | None:
    """Channels of a layer that answer the same to everything."""
    found, all_dead = [], 0
    if evidence.step < YOUNG:
        return None
    for name, net, x in _passes(evidence):
        for place, layer, spread in spreads(net, x, evidence.labels):
            dead = int((spread <= STILL * spread.max()).sum())
            if dead >= max(DEAD * len(spread), DEAD_LEAST):
                found.append(f"{dead} of {len(spread)} in {name}'s layer {place} ({layer!r})")
                all_dead += dead
    if not found:
        return None
    what = f"filters that never answer, whatever the picture: {', '.join(found)}"
    advice = "a lower --lr from the start (dead filters do not recover), another --init, a smaller --width"
    return Finding("dead filters", what, advice, evidence.step, {"dead": all_dead, "layers": len(found)})


def _passes(evidence: Evidence) -> Iterator[tuple[str, Sequential, Array]]:
    """Yield each network of the checkpoint with what it is given: G new z, D pictures of G and real ones."""
    G, D = evidence.network("G"), evidence.network("D")
    if G is not None:
        yield "G", G, evidence.z
    if G is not None and D is not None and evidence.drawn is not None:
        real = evidence.drawn[1::2] if evidence.real is None else evidence.real[: DRAWN // 2]
        yield "D", D, backend.images_to_real(np.concatenate([evidence.drawn[::2], real]), low=lowest(G))


def spreads(net: Sequential, x: Array, labels: np.ndarray | None) -> Iterator[tuple[str, Layer, np.ndarray]]:
    """Yield each layer with a (leaky) ReLU: its name, itself, and how far each channel's answers spread, (C,)."""
    labels = None if labels is None else np.resize(labels, len(x))
    with net.given(labels):
        for place, layer, y in net.answers(x):
            if is_active(layer):
                values = backend.to_numpy(y)
                yield place, layer, values.reshape(-1, values.shape[-1]).astype("float64").std(axis=0)


def saturated(evidence: Evidence) -> Finding | None:
    """G's last layer gives black or white nearly everywhere, where real pictures do not."""
    if evidence.step < YOUNG or evidence.drawn is None or evidence.real is None:
        return None
    ours, theirs = (float(((each <= ENDS) | (each >= 255 - ENDS)).mean()) for each in (evidence.drawn, evidence.real))
    if ours < theirs + STUCK:
        return None
    what = (
        f"G's output is stuck at its ends: {100 * ours:.0f} % of its numbers are black or white, {100 * theirs:.0f} % "
        "of the real pictures', and there a change of G changes next to nothing"
    )
    advice = "a lower --lr, another --init; where D wins as well, see there"
    return Finding("saturated", what, advice, evidence.step, {"of_G": ours, "of_real": theirs})


def first_not_finite(trainer: Trainer) -> str:
    """Return in words where the numbers of a training's networks stop being finite now, from G's z to D's answer."""
    gan, places = trainer.gan, []
    x, labels = trainer.fixed_z[:2], balanced_labels(2, trainer.config)
    device = device_of(gan.G.parameters()[0].data)
    x, labels = backend.to_device(x, device), None if labels is None else backend.to_device(labels, device)
    for name, net in (("G", gan.G), ("D", gan.D)):
        training = net.training
        try:
            with net.eval().given(labels):
                place, x = _first(net, x)
        finally:
            net.train(training)
        places.append(f"{name}: {place}")
    return "; ".join(places)


def _first(net: Sequential, x: Array) -> tuple[str, Array]:
    """Return the first layer that has or gives a number that is not finite, in words, and the network's y."""
    found, y = "all finite", x
    for place, layer, y in net.answers(x):
        if found == "all finite":
            if not all(_finite(parameter.data) for parameter in layer.parameters()):
                found = f"the weights of layer {place}, {layer!r}, are not finite"
            elif not _finite(y):
                found = f"the answers of layer {place}, {layer!r}, are not finite, its weights are"
    return found, y


def _finite(array: Array) -> bool:
    return bool(np.isfinite(backend.to_numpy(array)).all())
