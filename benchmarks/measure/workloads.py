"""Workloads, each a preset at a width and a batch size, with pictures and z; and our training step of a workload.

The name dcgan64-nf64-b64 means the preset dcgan64 at width 64 with batches of 64. -s128 behind it sets the picture
size, -reference chooses the NumPy implementation instead of the kernels.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.measure.work import step_work
from dcgan import quick
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.presets import PRESETS, config_of, find
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet import backend
from gpunet.backend.loss_scale import new_scaling

NAME = re.compile(
    r"(?P<preset>.+?)-nf(?P<width>\d+)-b(?P<batch>\d+)(-s(?P<size>\d+))?(-(?P<implementation>reference))?"
)
DEFAULT = ("dcgan64-nf64-b64", "dcgan64-nf64-b128", "dcgan64-nf32-b64", "carpedm20-nf64-b64",
           "dcgan64-nf64-b64-reference")  # fmt: skip
ALL = (
    *(f"dcgan64-nf{width}-b{batch}" for width in (32, 64, 128) for batch in (32, 64, 128)),
    *(f"{preset}-nf64-b64" for preset in PRESETS if preset != "dcgan64"),
    "dcgan64-nf64-b64-reference",
)
LOSS_SCALE = 2.0**10  # in fp16, on both sides; with the usual first scale the first gradients would be infinite
CLASSES = 3  # number of classes of networks with labels; the labels of a batch are 0, 1, 2, 0, 1 ...


@dataclass(frozen=True)
class Workload:
    """A preset's training step at a width, batch and picture size."""

    name: str
    preset: str
    width: int
    batch: int
    size: int | None  # None: the preset's
    implementation: str

    @classmethod
    def named(cls, name: str) -> Workload:
        """Return the workload of a name. Raises ValueError for a name of another form."""
        match = NAME.fullmatch(name)
        if match is None or match["preset"] not in PRESETS:
            raise ValueError(f"got workload {name!r}, expected PRESET-nfWIDTH-bBATCH, as {DEFAULT[0]}")
        if match["size"] and match["preset"] != "dcgan64":
            raise ValueError(f"got workload {name!r}: only dcgan64 can have another picture size here")
        size = int(match["size"]) if match["size"] else None
        if quick.notice() and name != (small := small_name(match)):
            return cls.named(small)
        numbers = int(match["width"]), int(match["batch"]), size
        return cls(name, match["preset"], *numbers, match["implementation"] or "kernels")

    @property
    def config(self) -> Config:
        """The options of a run with this workload."""
        given: dict[str, Any] = {"preset": self.preset, "width": self.width, "batch_size": self.batch}
        given |= {"image_size": self.size} if self.size else {}
        given |= {"classes": CLASSES} if find(self.preset).conditional else {}
        return config_of(given)

    @property
    def gflop(self) -> float:
        """10^9 floating-point operations of a step, convolutions in direct form."""
        return sum(work.uses * work.flops for work in step_work(self.config, self.batch)) / 1e9

    def plain(self) -> dict[str, Any]:
        """Return the settings for PyTorch's side as plain numbers, as that side does not import our library."""
        c, betas = self.config, (self.config.beta1, self.config.beta2)
        sizes = (self.size,) if self.size else ()
        return {"preset": self.preset, "network": (c.z_dim, self.width, *sizes), "lr": c.lr, "betas": betas,
                "weight_decay": c.l2, "g_steps": c.ratio[1], "fresh_z": c.fresh_z, "loss_scale": LOSS_SCALE,
                "targets": (c.real_target, c.fake_target, c.generator_target)}  # fmt: skip


def small_name(match: re.Match[str]) -> str:
    """Return the name of a workload with width and batch as DCGAN_QUICK lowers them."""
    width, batch = min(int(match["width"]), quick.MOST["width"]), min(int(match["batch"]), quick.MOST["batch_size"])
    return f"{match['preset']}-nf{width}-b{batch}{match.string[match.end('batch') :]}"


@dataclass(frozen=True)
class Batch:
    """The input of a step, on the host."""

    images: np.ndarray  # uint8 (N, H, W, C)
    zs: list[np.ndarray]  # (N, 1, 1, z_dim) each
    labels: np.ndarray | None  # (N,)

    @classmethod
    def drawn(cls, workload: Workload, draws: int) -> Batch:
        """Return random pictures and z, and labels: always the same numbers for a workload."""
        config, rng = workload.config, np.random.default_rng(1)
        shape = (workload.batch, *config.image_size, config.channels or 3)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        labels = None if config.classes is None else (np.arange(workload.batch) % CLASSES).astype("int32")
        return cls(images, [draw_z(rng, workload.batch, config) for _ in range(draws)], labels)


class Ours:
    """Our training step, as `dcgan.train` runs it: from bytes on the host to two updated networks.

    On a GPU the step is queued and not waited for: whatever steps, or reads and writes the networks, does so within the
    `running()` block.
    """

    def __init__(self, workload: Workload, device: str) -> None:
        rounding = backend.precision(device) if workload.implementation == "kernels" else "fp32"
        config = replace(workload.config, precision=rounding)  # fp16 has a scaled loss
        self.gan = GAN(config, np.random.default_rng(0), device)
        for adam in (self.gan.adam_G, self.gan.adam_D):
            if adam.scaling is not None:
                adam.scaling[...] = new_scaling(device, LOSS_SCALE)
        self.number = workload.config.ratio[0]  # a batch that trains both networks
        self.batch = Batch.drawn(workload, self.gan.draws(self.number))
        self.stepper = Stepper(self.gan, device, graph=True)
        self.implementation = workload.implementation

    def set_lr(self, lr: float) -> None:
        """Train with this learning rate from here on."""
        self.gan.adam_G.lr = self.gan.adam_D.lr = lr

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Compute in the workload's implementation, on the stream of the steps."""
        with backend.use(self.implementation), self.stepper.running():
            yield

    def step(self) -> dict[str, Any]:
        """Train D, and G as often as the preset says; return the losses, on the device."""
        return self.stepper(self.number, Inputs(self.batch.images, self.batch.zs, labels=self.batch.labels))
