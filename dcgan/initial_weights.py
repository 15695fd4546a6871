"""--init-from: a new run whose networks begin with the weights of another one, as far as their layers fit.

Layers with weights are paired in their order, and what fits is copied: an array of the same kind of layer, under the
same name, of the same shape. Layers without weights, such as those that join labels, do not count. Where the networks
have unequally many layers, there are two ways to pair them:

    from z, or from D's logit     the first layer of G with the first layer of G
    from the pictures             the last layer of G with the last layer of G, and D's first with D's first

A dcgan64 for 128x128 has a layer more than one for 64x64. Counted from the pictures, the layers that draw and see edges
of a few pixels are paired with their like, and only those next to z, and next to the logit, start fresh. For each
network the way by which more numbers fit is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dcgan import presets, trained
from dcgan.config import Config
from dcgan.errors import UserError
from dcgan.exchange import weights as exchange
from dcgan.gan import GAN
from dcgan.presets.variants import settle
from dcgan.run import resume
from gpunet.layers import Layer, Sequential, SpectralNorm
from gpunet.torch_format import from_torch

SHOWN = 3  # layers that start fresh which are named
Arrays = Mapping[str, np.ndarray]


class Part(NamedTuple):
    """A layer with weights: its name, such as "3.branch.1.", itself, its own arrays by their names."""

    name: str
    layer: Layer
    arrays: dict[str, Any]


class Found(NamedTuple):
    """What --init-from names: the arrays of G, of D and of the average of G, each with a network of their names."""

    nets: Mapping[str, Sequential]  # of "G" and, where the file has one, "D"
    states: Mapping[str, Arrays]  # of "G", "D" and "average_G", those that there are
    what: str  # in words: "runs/0001-dcgan64, step 500"


def find(path: str) -> Found:
    """Return the weights of a run folder, a checkpoint or a file of weights. Raises UserError: none, or damaged."""
    if exchange.is_file(trained.require(path)):
        return _of_file(path)
    found = resume.find(path)
    if found.state is None:
        raise UserError(f"--init-from: {path} has no checkpoint yet: train it first")
    nets = _networks(found.config, "GD")
    with resume.fitting(path):
        states = {name: found.state["gan"][name] for name in ("G", "D", "average_G") if name in found.state["gan"]}
        for name, net in nets.items():
            net.load_state_dict(states[name])
        return Found(nets, states, f"{path}, step {int(found.state['step'])}")


def _of_file(path: str) -> Found:
    """Return the weights of a file, which are in PyTorch's layout, under our names."""
    held = exchange.opened(Path(path))
    arrays = {"G": held.G} | ({"D": held.D} if held.D else {})
    nets = _networks(held.config, "".join(arrays))
    with resume.fitting(path):
        for name, net in nets.items():
            resume.require_finite(dict(arrays[name]), Path(path), "weights")
            from_torch(net, arrays[name])
    return Found(nets, {name: net.state_dict() for name, net in nets.items()}, path)


def _networks(config: Config, names: str) -> dict[str, Sequential]:
    preset = presets.find(config.preset)
    build = {"G": preset.generator, "D": preset.discriminator}
    return {name: build[name](config) for name in names}


def take(gan: GAN, found: Found) -> list[str]:
    """Copy what fits into the networks of a new run; return what was taken and what starts fresh, a line for each.

    Raises UserError where nothing fits.
    """
    lines, taken = [], 0
    for name, net in (("G", gan.G), ("D", gan.D)):
        if name not in found.nets:
            lines.append(f"{name}: all of it starts fresh, for {found.what} holds none")
            continue
        pairs, way = _pairing(found.nets[name], net, from_end=name == "G")
        taken += len(pairs)
        _copy(net, found.states[name], pairs)
        if name == "G" and gan.average_G:
            gan.average_G.restart()
            with gan.average_G.in_use():
                _copy(net, found.states.get("average_G", found.states[name]), pairs)
        lines.append(f"{name}: {_said(net, pairs)}{way}")
    if not taken:
        raise UserError(f"--init-from: no layer of {found.what} fits: other kinds of layer, or another --width")
    for adam in (gan.adam_G, gan.adam_D):
        adam.changed()
    return [f"begins with the weights of {found.what}", *(f"  {line}" for line in lines)]


def _copy(net: Layer, state: Arrays, pairs: Mapping[str, str]) -> None:
    """Copy arrays into a network: pairs has, by the name of each that is taken, its name in the state."""
    net.load_state_dict({**net.state_dict(), **{name: state[source] for name, source in pairs.items()}})
    settle(net)


def parts(net: Layer, name: str = "") -> Iterator[Part]:
    """Yield the layers of a network that have arrays of their own, in their order.

    A SpectralNorm is passed through to the layer whose weight it divides; its own vectors follow from the weight.
    """
    if isinstance(net, SpectralNorm):
        yield from parts(net.layer, f"{name}layer.")
        return
    arrays = {key: array for key, array in net.state_dict().items() if "." not in key}
    if arrays:
        yield Part(name, net, arrays)
    for child, layer in net.children():
        yield from parts(layer, f"{name}{child}.")


def _pairing(source: Layer, target: Layer, from_end: bool) -> tuple[dict[str, str], str]:
    """Return the names of the arrays that fit, {of the target: of the source}, and how they were paired, in words.

    from_end: whether the pictures are at the end of the network, as they are of G.
    """
    before, now = list(parts(source)), list(parts(target))
    same, other = _fitting(before, now), _fitting(before[::-1], now[::-1])
    sizes = [sum(array.size for part in now for key, array in part.arrays.items() if part.name + key in pairs)
             for pairs in (same, other)]  # fmt: skip
    taken, reverse = (other, True) if sizes[1] > sizes[0] else (same, False)
    if len(before) == len(now) or not taken:
        return taken, ""
    return taken, f"; counted from the {'pictures' if reverse == from_end else 'other end'}"


def _fitting(before: Sequence[Part], now: Sequence[Part]) -> dict[str, str]:
    """Return which arrays fit, {of now: of before}, where the layers are paired one by one from their first ones on."""
    return {
        new.name + key: old.name + key
        for old, new in zip(before, now, strict=False)
        if type(old.layer) is type(new.layer)
        for key, array in new.arrays.items()
        if key in old.arrays and old.arrays[key].shape == array.shape
    }


def _said(net: Layer, pairs: Mapping[str, str]) -> str:
    """Return "9 of 10 layers taken; fresh: 0 (ConvTranspose2d 100 -> 512)"; a layer counts if all of it is taken."""
    every, fresh = list(parts(net)), []
    for part in every:
        keys = [key for key in part.arrays if part.name + key not in pairs]
        if keys:
            some = f": its {', '.join(keys)}" if len(keys) < len(part.arrays) else ""
            fresh.append(f"{part.name.rstrip('.')} ({_shown(part.layer)}{some})")
    if not fresh:
        return f"all {len(every)} layers taken"
    more = f" and {len(fresh) - SHOWN} more" if len(fresh) > SHOWN else ""
    return f"{len(every) - len(fresh)} of {len(every)} layers taken; fresh: {', '.join(fresh[:SHOWN])}{more}"


def _shown(layer: Layer) -> str:
    """Return a layer's kind and sizes: "Conv2d 3 -> 64", "BatchNorm of 128"."""
    sizes = getattr(layer, "channels", None) or getattr(layer, "features", None)
    sized = f" {sizes[0]} -> {sizes[1]}" if isinstance(sizes, tuple) else f" of {sizes}" if sizes else ""
    return type(layer).__name__ + sized
