"""Train a small GAN with one classic mistake, and draw what comes of it: python docs/broken.py [NAME ...]

    python docs/broken.py                           all pictures of docs/broken.md, into docs/broken
    python docs/broken.py wrong-range --out /tmp    one of them, elsewhere

A training is a `Loop`; a mistake is another value in one of its fields, and everything else stays as it is. A picture
shows samples, the losses and D's mean answers; grey is a healthy training of as many steps on the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import broken_pictures as shown  # noqa: E402
from broken_data import Data, digits, faces, faces_with_borders  # noqa: E402

from dcgan.config import Config  # noqa: E402
from dcgan.presets import config_of, find, initialiser  # noqa: E402
from dcgan.sampling import lowest  # noqa: E402
from gpunet import backend  # noqa: E402
from gpunet.backend.devices import Array  # noqa: E402
from gpunet.layers import BatchNorm, ConvTranspose2d, Layer, Parameter, Sequential  # noqa: E402
from gpunet.optim import Adam  # noqa: E402

STEPS, BATCH = 600, 32
Z = 100  # numbers in a z
EACH = 4  # samples of each of ten classes, which are drawn together


def normal(rng: np.random.Generator, count: int) -> Array:
    """Return z (count, 1, 1, Z) from N(0, 1)."""
    return rng.standard_normal((count, 1, 1, Z)).astype("float32")


def unsigned(rng: np.random.Generator, count: int) -> Array:
    """Return z (count, 1, 1, Z) from U(0, 1): numpy.random.rand, where randn was meant."""
    return rng.random((count, 1, 1, Z)).astype("float32")


def from_zero(pictures: Array, low: float) -> Array:
    """Return pictures as numbers from 0 to 1, whatever the lowest number is that G can draw."""
    return backend.images_to_real(pictures, low=0.0)


def even(config: Config) -> Sequential:
    """Return the preset's generator; its kernels of 4x4 with stride 2 cover all pixels equally often."""
    return find(config.preset).generator(config)


def uneven(config: Config) -> Sequential:
    """Return the same with kernels of 3x3, which cover a pixel once, twice or four times."""
    layers: list[Layer] = []
    for layer in even(config).layers:
        strided = isinstance(layer, ConvTranspose2d) and layer.stride == (2, 2)
        layers += [ConvTranspose2d(*layer.channels, 3, 2, "same", bias=False) if strided else layer]
    return Sequential(*layers)


def forget_statistics(G: Sequential) -> None:
    """Put the running averages back to their first values: what is left where a file holds the parameters alone."""
    G.eval()
    for layer in G.walk():
        if isinstance(layer, BatchNorm):
            layer.buffers["running_mean"][...], layer.buffers["running_var"][...] = 0, 1


@dataclass(frozen=True)
class Loop:
    """What a training is made of, with the right values."""

    options: dict[str, Any] = field(default_factory=lambda: {"preset": "dcgan64", "image_size": 32, "width": 16})
    data: Callable[[Config], Data] = faces
    numbers: Callable[[Array, float], Array] = lambda pictures, low: backend.images_to_real(pictures, low=low)
    generator: Callable[[Config], Sequential] = even
    trained: Callable[[Parameter], bool] = lambda parameter: True  # which parameters the optimisers get
    lr_G: float = 1e-3
    D_steps: int = 1  # before each step of G
    D_trains_G: bool = False
    labels_for_D: Callable[[Array], Array] = lambda labels: labels  # with G's pictures
    z: Callable[[np.random.Generator, int], Array] = normal
    z_of_samples: Callable[[np.random.Generator, int], Array] = normal
    before_sampling: Callable[[Sequential], Any] = Sequential.eval


FACES = Loop()
DIGITS = replace(FACES, options={"preset": "carpedm20-mnist", "width": 8, "classes": 10}, data=digits)
HEALTHY = {"healthy": FACES, "digits": DIGITS}
MISTAKES = {
    "not-detached": replace(FACES, D_trains_G=True),
    "affine": replace(FACES, trained=lambda parameter: parameter.data.ndim > 1),  # matrices only, no scales and shifts
    "wrong-range": replace(FACES, numbers=from_zero),
    "strong-d": replace(FACES, lr_G=1e-4),  # a tenth of D's
    "many-d-steps": replace(FACES, D_steps=5),
    "train-mode": replace(DIGITS, before_sampling=Sequential.train),
    "lost-statistics": replace(FACES, before_sampling=forget_statistics),
    "z-mismatch": replace(FACES, z_of_samples=unsigned),
    "label-leak": replace(DIGITS, labels_for_D=np.zeros_like),
    "wrong-labels": replace(DIGITS, labels_for_D=lambda labels: np.roll(labels, 1)),
    "borders": replace(FACES, data=faces_with_borders),
    "checkerboard": replace(FACES, generator=uneven),
}


class Training:
    """The networks of a loop, their optimisers and their data. All random numbers come from one generator."""

    def __init__(self, loop: Loop) -> None:
        self.loop, config = loop, config_of(loop.options)
        self.rng = np.random.default_rng(0)
        self.G, self.D = loop.generator(config), find(config.preset).discriminator(config)
        for net in (self.G, self.D):
            initialiser(config)(net, self.rng)
        self.adam_G, self.adam_D = self._adam(self.G, loop.lr_G), self._adam(self.D, FACES.lr_G)
        copies = [Parameter(parameter.data.copy()) for parameter in self.adam_G.parameters]
        self.adam_D_of_G = Adam(copies, FACES.lr_G, (0, 0.99))  # what D's optimiser keeps of G, for D_trains_G
        self.data, self.low = loop.data(config), lowest(self.G)

    def _adam(self, net: Layer, lr: float) -> Adam:
        return Adam([parameter for parameter in net.parameters() if self.loop.trained(parameter)], lr, (0, 0.99))

    def step(self) -> dict[str, float]:
        """Train D as often as the loop says, then G; return the numbers for the log."""
        for _ in range(self.loop.D_steps):
            chosen = self.rng.integers(0, len(self.data.pictures), BATCH)
            labels = self.data.labels[chosen]
            z = self.loop.z(self.rng, BATCH)
            stats = self.step_D(self.loop.numbers(self.data.pictures[chosen], self.low), labels, z)
        return stats | self.step_G(labels, z)

    def step_D(self, real: Array, labels: Array, z: Array) -> dict[str, float]:
        """Train D on real pictures (N, H, W, C) and on G's for z."""
        self.adam_D.zero_grad()
        loss_real, d_real, _ = self.judged(real, labels, 1.0)
        fake = self.drawn(z, labels)
        loss_fake, d_fake, dfake = self.judged(fake, self.loop.labels_for_D(labels), 0.0)
        self.adam_D.step()
        if self.loop.D_trains_G:
            self.follow(dfake)
        return {"loss_d": loss_real + loss_fake, "d_real": d_real, "d_fake": d_fake}

    def step_G(self, labels: Array, z: Array) -> dict[str, float]:
        """Train G to draw what D, as it is now, takes for real."""
        fake = self.drawn(z, labels)
        self.adam_G.zero_grad()
        with self.D.frozen():
            loss, _, dfake = self.judged(fake, self.loop.labels_for_D(labels), 1.0)
        self.G.backward(dfake, input_grad=False)
        self.adam_G.step()
        return {"loss_g": loss}

    def drawn(self, z: Array, labels: Array) -> Array:
        """Return G's pictures (N, H, W, C)."""
        self.G.forget()
        with self.G.given(labels):
            return self.G.forward(z)

    def judged(self, x: Array, labels: Array, target: float) -> tuple[float, float, Array]:
        """Return the loss of D's answers to x against the target, their mean, and the loss's gradient by x."""
        with self.D.given(labels):
            logits = self.D.forward(x)
            loss, dlogits = backend.bce_with_logits(logits, target)
            return float(loss), float(backend.sigmoid(logits).mean()), self.D.backward(dlogits)

    def follow(self, dfake: Array) -> None:
        """Move G down D's loss, as D's optimiser does where it was given G's parameters, too."""
        self.adam_G.zero_grad()
        self.G.backward(dfake, input_grad=False)
        pairs = list(zip(self.adam_G.parameters, self.adam_D_of_G.parameters, strict=True))
        for own, copy in pairs:
            copy.data[...], copy.grad = own.data, own.grad
        self.adam_D_of_G.step()
        for own, copy in pairs:
            own.data[...] = copy.data

    def samples(self, loop: Loop) -> Array:
        """Return G's pictures (10 EACH, H, W, C), uint8: rows of the ten classes. Those of a class are one batch.

        G is afterwards what it was before.
        """
        rng, before = np.random.default_rng(7), self.G.state_dict()
        loop.before_sampling(self.G)
        batches = [self.drawn(loop.z_of_samples(rng, EACH), np.full(EACH, label, "int32")) for label in range(10)]
        self.G.load_state_dict(before)
        self.G.train()
        rows = np.stack(batches, axis=1)  # (EACH, 10, H, W, C)
        return backend.real_to_images(rows.reshape(-1, *rows.shape[2:]), low=self.low)


class Trainings:
    """Trains loops, each once: two that differ in their samples only share a training."""

    def __init__(self, steps: int) -> None:
        self.steps, self.known = steps, list[tuple[Loop, Training, list[dict[str, float]]]]()

    def result(self, loop: Loop) -> shown.Result:
        """Return what a loop's training leaves."""
        training, records = self._trained(replace(loop, z_of_samples=normal, before_sampling=Sequential.eval))
        return shown.Result(training.samples(loop), training.data.pictures, records)

    def _trained(self, loop: Loop) -> tuple[Training, list[dict[str, float]]]:
        for other, training, records in self.known:
            if other == loop:
                return training, records
        training = Training(loop)
        records = [{"step": number, **training.step()} for number in range(1, self.steps + 1)]
        self.known.append((loop, training, records))
        return training, records


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Draw what a GAN with one classic mistake looks like.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join([*HEALTHY, *MISTAKES])} (all)")
    parser.add_argument("--out", type=Path, default=HERE / "broken", metavar="DIR", help="folder of PNGs (docs/broken)")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help=f"steps of a training ({STEPS})")
    given = parser.parse_args(arguments)
    loops, trainings = HEALTHY | MISTAKES, Trainings(given.steps)
    if unknown := sorted(set(given.names) - set(loops)):
        parser.error(f"got {', '.join(unknown)}, expected some of {', '.join(loops)}")
    for name in given.names or loops:
        healthy = DIGITS if loops[name].data is digits else FACES
        result = trainings.result(loops[name])
        shown.save(given.out / f"{name}.png", result, trainings.result(healthy))
        print(f"{name:16}{shown.row(result.numbers())}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
