"""The work of a dcgan64 training step, operation by operation, and the least time that each GPU model needs for it.

A roofline (Williams, Waterman & Patterson, 2009) is a limit, not a measurement: an operation takes at least as long as
its multiplications and additions at the peak rate, and as its bytes at the peak bandwidth of the device memory; the
longer of the two counts. Caches do not enter: every array is read or written once per use.

FLOPs are those of the direct form, a multiply-add as two, taps outside the image included; a transform that saves
multiplications (Winograd) may stay below them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.gpus import GPUS, Gpu
from benchmarks.tables import table
from dcgan.config import Config
from dcgan.presets.dcgan64 import discriminator, generator
from gpunet import backend
from gpunet.layers import BatchNorm, Conv2d, ConvTranspose2d, LeakyReLU, ReLU, Sequential

FLOAT = 4  # bytes
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")  # of the factors in matrix products; arrays and sums are float32
# Of one number, in the kernels: (float32 numbers read or written, additions and multiplications).
BATCHNORM = {"forward": (3, 7), "backward": (5, 11)}  # one pass for the sums, one that applies them
ACTIVATION = {"forward": (2, 2), "backward": (3, 3)}
ADAM = (7, 14)


class Work(NamedTuple):
    """One operation: how often a training step does it, and what it takes each time."""

    name: str
    uses: int
    product: bool  # a matrix product, which tensor cores can do
    flops: float
    bytes: float


class Uses(NamedTuple):
    """How often a training step passes a network: D sees real, fake and, for G's step, fake pictures again."""

    forward: int
    weight_grad: int
    input_grad: int
    first_input_grad: int  # of the first layer: nobody wants the gradient of z, and that of the pictures only G's step


D_USES, G_USES = Uses(3, 2, 3, 1), Uses(1, 1, 1, 0)


def training_step(batch: int, image_size: int = 64, channels: int = 3, z_dim: int = 100, width: int = 64) -> list[Work]:
    """Return the operations of one update of D and one of G, with the networks of the dcgan64 preset."""
    size = (image_size, image_size)
    config = Config(image_size=size, channels=channels, z_dim=z_dim, width=width)
    G, D = generator(config), discriminator(config)
    pictures = (1, *size, channels)
    work = [*_network("G", G, (1, 1, 1, z_dim), batch, G_USES), *_network("D", D, pictures, batch, D_USES)]
    for name, net in (("G", G), ("D", D)):
        count = sum(parameter.data.size for parameter in net.parameters())
        work.append(Work(f"{name} Adam", 1, False, count * ADAM[1], count * ADAM[0] * FLOAT))
    numbers = batch * math.prod(pictures)
    return [*work, Work("pictures from bytes", 1, False, 2 * numbers, numbers * (1 + FLOAT))]


def _network(name: str, net: Sequential, shape: tuple[int, ...], batch: int, uses: Uses) -> list[Work]:
    """Return the operations of a network; the sizes of its maps are found by sending one picture through."""
    work: list[Work] = []
    x, previous = np.zeros(shape, np.float32), None
    net.eval()
    for position, layer in enumerate(net.layers):
        y, title = x, f"{name} {position} {type(layer).__name__}"
        if isinstance(layer, Conv2d | ConvTranspose2d):
            with backend.use("reference"):
                y = layer.forward(x)
            work += _convolution(title, layer, batch * x.size, batch * y.size, uses, first=position == 0)
        elif isinstance(layer, BatchNorm):
            work += _elementwise(title, BATCHNORM, batch * y.size, uses)
        elif not (isinstance(layer, ReLU | LeakyReLU) and isinstance(previous, BatchNorm)):  # those run in its pass
            work += _elementwise(title, ACTIVATION, batch * y.size, uses)
        x, previous = y, layer
    return work


def _convolution(title: str, layer: Conv2d | ConvTranspose2d, x: int, y: int, uses: Uses, first: bool) -> list[Work]:
    """Return the three passes: each the same multiplications, over the two arrays it reads and the one it writes."""
    weight, (inside, outside) = layer.weight.data.size, layer.channels
    places = y // outside if isinstance(layer, Conv2d) else x // inside  # of the side with the fewer pixels
    flops, size = 2.0 * places * weight, float((x + y + weight) * FLOAT)
    counts = (uses.forward, uses.first_input_grad if first else uses.input_grad, uses.weight_grad)
    passes = ("forward", "input grad", "weight grad")
    return [Work(f"{title} {part}", n, True, flops, size) for part, n in zip(passes, counts, strict=True) if n]


def _elementwise(title: str, costs: dict[str, tuple[int, int]], numbers: int, uses: Uses) -> list[Work]:
    counts = {"forward": uses.forward, "backward": uses.input_grad}
    return [
        Work(f"{title} {part}", counts[part], False, float(numbers * flops), float(numbers * moved * FLOAT))
        for part, (moved, flops) in costs.items()
    ]


def peak(gpu: Gpu, work: Work, precision: str) -> float:
    """Return the FLOP/s of a GPU for this work: of its tensor cores if they have the precision, else float32's."""
    return 1e12 * ((getattr(gpu, precision) if work.product else 0) or gpu.fp32)


def limit(gpu: Gpu, work: Work, precision: str) -> float:
    """Return the least seconds that the work takes once on a GPU."""
    return max(work.flops / peak(gpu, work, precision), work.bytes / (gpu.bandwidth * 1e9))


def memory_bound(gpu: Gpu, work: Work, precision: str) -> bool:
    """Return whether the memory, and not the arithmetic, sets the limit."""
    return work.bytes / (gpu.bandwidth * 1e9) >= work.flops / peak(gpu, work, precision)


def limits_table(work: Sequence[Work], gpus: Sequence[Gpu], precision: str, markdown: bool) -> str:
    """Return one row per operation with its limits in microseconds, and the sums over a training step."""
    head = ["operation", "uses", "MFLOP", "MB", "FLOP/byte", *(gpu.name for gpu in gpus)]
    rows: list[list[Any]] = []
    for w in work:
        times = [f"{limit(g, w, precision) * 1e6:.1f}{'m' if memory_bound(g, w, precision) else 'a'}" for g in gpus]
        rows.append([w.name, w.uses, w.flops / 1e6, w.bytes / 1e6, w.flops / w.bytes, *times])
    flops, size = sum(w.uses * w.flops for w in work), sum(w.uses * w.bytes for w in work)
    total = [f"{sum(w.uses * limit(gpu, w, precision) for w in work) * 1e6:.0f}" for gpu in gpus]
    return table(head, [*rows, ["training step", "", flops / 1e6, size / 1e6, flops / size, *total]], markdown)


def limits_as_json(work: Sequence[Work], batch: int, precision: str) -> list[dict[str, Any]]:
    """Return the operations with their limits in seconds on every GPU."""
    setting = {"batch": batch, "precision": precision}
    return [w._asdict() | setting | {"seconds": {g.name: limit(g, w, precision) for g in GPUS}} for w in work]
