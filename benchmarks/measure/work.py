"""The work of a training step, operation by operation: floating-point operations and bytes.

FLOPs are those of the direct form of a convolution: a multiply-add counts as two, taps outside the image are included.
Winograd's transforms need fewer. Bytes count every array as read or written once per use.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dcgan import presets, summary
from dcgan.config import Config
from gpunet.layers import BatchNorm, LeakyReLU, ReLU, Sequential, Sigmoid, Tanh

FLOAT = 4  # bytes
# The cost of one number in the kernels: (float32 numbers read or written, additions and multiplications).
BATCHNORM = {"forward": (3, 7), "backward": (5, 11)}  # one pass computes the sums, a second one applies them
ACTIVATION = {"forward": (2, 2), "backward": (3, 3)}
ADAM = (7, 14)


class Work(NamedTuple):
    """One operation: how often a training step does it, and its FLOPs and bytes each time."""

    name: str
    uses: int
    product: bool  # a matrix product, which tensor cores can do
    flops: float
    bytes: float


class Uses(NamedTuple):
    """The number of passes of each kind through a network in a training step."""

    forward: int
    weight_grad: int
    input_grad: int
    first_input_grad: int  # for the first layer: only G's steps need the gradient of pictures, none that of z


def training_step(batch: int) -> list[Work]:
    """Return the operations of one update of D and one of G of the preset dcgan64, as it is by default."""
    return step_work(Config(), batch)


def step_work(config: Config, batch: int) -> list[Work]:
    """Return the operations of one update of D and of the updates of G that follow it (config.ratio[1])."""
    preset, g_steps = presets.find(config.preset), config.ratio[1]
    picture = (*config.image_size, config.channels or 3)
    # D takes real and fake pictures in its own step, and fake ones in each step of G. G draws pictures for D's step;
    # its own first step reuses them unless fresh_z asks for new ones.
    d_uses = Uses(2 + g_steps, 2, 2 + g_steps, g_steps)
    g_uses = Uses(g_steps + config.fresh_z, g_steps, g_steps, 0)
    networks = (("G", preset.generator(config), (1, 1, config.z_dim), g_uses),
                ("D", preset.discriminator(config), picture, d_uses))  # fmt: skip
    work = [w for name, net, shape, uses in networks for w in _network(name, net, shape, batch, uses)]
    for name, net, *_ in networks:
        count, uses = summary.count(net), g_steps if name == "G" else 1
        work.append(Work(f"{name} Adam", uses, False, count * ADAM[1], count * ADAM[0] * FLOAT))
    numbers = batch * math.prod(picture)
    return [*work, Work("pictures from bytes", 1, False, 2 * numbers, numbers * (1 + FLOAT))]


def _network(name: str, net: Sequential, shape: tuple[int, ...], batch: int, uses: Uses) -> list[Work]:
    """Return the operations of a network for a batch of samples of this shape."""
    work: list[Work] = []
    previous, x = None, batch * math.prod(shape)  # x, y: numbers that a layer takes and gives
    for position, (layer, row) in enumerate(zip(net.layers, summary.rows(net, shape), strict=True)):
        title, y = f"{name} {position} {type(layer).__name__}", batch * math.prod(row.shape)
        if row.flops:
            weights = sum(parameter.data.size for parameter in layer.parameters() if parameter.data.ndim > 1)
            moved = float((x + y + weights) * FLOAT)
            work += _product(title, float(batch * row.flops), moved, uses, first=position == 0)
        elif isinstance(layer, BatchNorm):
            work += _elementwise(title, BATCHNORM, y, uses)
        elif isinstance(layer, Tanh | Sigmoid) or _alone(layer, previous):
            work += _elementwise(title, ACTIVATION, y, uses)
        previous, x = layer, y
    return work


def _alone(layer: object, previous: object) -> bool:
    """Return whether this is a ReLU with a pass of its own: behind a batch norm it is part of the norm's pass."""
    return isinstance(layer, ReLU | LeakyReLU) and not isinstance(previous, BatchNorm)


def _product(title: str, flops: float, moved: float, uses: Uses, first: bool) -> list[Work]:
    """Return the three passes of a product: each does the same FLOPs, reads two of three arrays, writes the third."""
    counts = (uses.forward, uses.first_input_grad if first else uses.input_grad, uses.weight_grad)
    passes = ("forward", "input grad", "weight grad")
    return [Work(f"{title} {part}", n, True, flops, moved) for part, n in zip(passes, counts, strict=True) if n]


def _elementwise(title: str, costs: dict[str, tuple[int, int]], numbers: int, uses: Uses) -> list[Work]:
    counts = {"forward": uses.forward, "backward": uses.input_grad}
    return [
        Work(f"{title} {part}", counts[part], False, float(numbers * flops), float(numbers * moved * FLOAT))
        for part, (moved, flops) in costs.items()
    ]
