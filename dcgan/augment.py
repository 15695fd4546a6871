"""What D sees: pictures that are changed at random (--augment) and noise on them (--instance-noise), the same for all.

Whatever is done to real pictures is done to G's, in D's step and in G's, and gradients go back through it to G. So G
has no reason to learn the changes. The formulas are in gpunet/backend/augment.py and noise.py; this page draws their
random numbers and hands them to a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dcgan.config import Config
from gpunet import backend, distributed
from gpunet.backend.augment import BRIGHTNESS, CONTRAST, DOWN, LEFT, NUMBERS, RIGHT, SATURATION, TOP
from gpunet.backend.devices import Array, array_module
from gpunet.backend.launches import contiguous
from gpunet.backend.noise import keys_of

# The published settings (mit-han-lab/data-efficient-gans, DiffAugment_pytorch.py): pictures move by at most an eighth
# of their side, the cut-out rectangle has half of either side. Both are rounded, 0.5 upwards.
MOST_MOVED, CUT = 1 / 8, 1 / 2


def part_of(size: int, share: float) -> int:
    """Return a share of a number of pixels, rounded: an eighth of 28 is 4."""
    return int(size * share + 0.5)


def cutout(config: Config) -> tuple[int, int]:
    """Return the height and width of the rectangle that is cut out, (0, 0) without."""
    height, width = config.image_size
    return (part_of(height, CUT), part_of(width, CUT)) if "cutout" in policy(config) else (0, 0)


def policy(config: Config) -> Sequence[str]:
    """Return the words of --augment."""
    return config.augment.split(",") if config.augment else ()


def draw(rng: np.random.Generator, config: Config, sets: int) -> np.ndarray | None:
    """Return seven numbers for each of a step's N pictures, for `sets` batches: float32 (sets, N, 7), or None.

    It is None without --augment. Brightness is from [-1/2, 1/2), saturation from [0, 2), contrast from [1/2, 3/2). A
    rectangle may lie half outside. The names of the seven are in gpunet/backend/augment.py.
    """
    if not config.augment:
        return None
    u, chosen = rng.random((sets, config.pictures_per_step, NUMBERS)), policy(config)
    numbers = np.zeros(u.shape, "float32")
    if "color" in chosen:
        for place, least, spread in ((BRIGHTNESS, -0.5, 1.0), (SATURATION, 0.0, 2.0), (CONTRAST, 0.5, 1.0)):
            numbers[..., place] = least + spread * u[..., place]
    for size, along, corner in zip(config.image_size, (DOWN, RIGHT), (TOP, LEFT), strict=True):
        if "translation" in chosen:
            most = part_of(size, MOST_MOVED)
            numbers[..., along] = np.floor(u[..., along] * (2 * most + 1)) - most  # -most, ..., most
        if "cutout" in chosen:
            cut = part_of(size, CUT)
            centre = np.floor(u[..., corner] * (size + 1 - cut % 2))
            numbers[..., corner] = centre - cut // 2
    return numbers


def noise_of(config: Config, step: int, done: float) -> np.ndarray | None:
    """Return what `add_noise` takes in a step, when a part `done` of the run lies behind; None without noise.

    The standard deviation is X (1 - done): Arjovsky & Bottou, "Towards principled methods for training generative
    adversarial networks", 2017, section 3, and Roth et al., "Stabilizing training of generative adversarial networks
    through regularization", 2017, which let it fall.
    """
    if not config.instance_noise:
        return None
    return np.array([config.instance_noise * (1 - done), step, *keys_of(config.seed)], "float64")


class View:
    """The eyes of D in one step: `view(x)` is what D sees of x, `view.backward(dy)` the gradient of the newest x.

    Every call takes the next numbers: D's step those of real pictures and G's, each step of G those of its pictures.
    """

    def __init__(self, config: Config | None = None, numbers: Array | None = None, noise: Array | None = None) -> None:
        self.config, self.numbers, self.noise = config, numbers, noise
        self.how: tuple[Any, ...] = () if config is None else (cutout(config), "color" in policy(config))
        self.sets = 0  # of numbers that are used up
        self.draw, self.apart = 0, 1  # the number of the next draw of noise, and from it to the one after
        self.newest: Array | None = None  # the numbers of the newest call

    @property
    def changes_nothing(self) -> bool:
        """Whether D sees pictures as they are."""
        return self.numbers is None and self.noise is None

    def __call__(self, x: Array, batches: int = 1) -> Array:
        """Return what D sees of pictures x (batches * N, H, W, C)."""
        if self.numbers is not None:
            taken = self.numbers[self.sets : self.sets + batches]  # (batches, N, 7)
            self.newest, self.sets = contiguous(taken).reshape(-1, NUMBERS), self.sets + batches
            x = backend.augment(x, self.newest, *self.how)
        if self.noise is not None:
            x, self.draw = self._noisy(x, batches), self.draw + self.apart
        return x

    def _noisy(self, x: Array, batches: int) -> Array:
        """Return x (batches * N, H, W, C) with noise: its share of the noise on the pictures of all ranks."""
        group = distributed.ranks()
        if group.size == 1:
            return backend.add_noise(x, self.noise, self.draw)
        each = len(x) // batches
        whole = array_module(x).zeros((batches, group.size, each, *x.shape[1:]), x.dtype)
        mine = backend.add_noise(whole, self.noise, self.draw)[:, group.rank]  # (batches, N, H, W, C)
        return x + mine.reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        """Return the gradient of the x of the newest call; noise does not change it."""
        return dy if self.newest is None else backend.augment_backward(dy, self.newest, *self.how)

    def parts(self, count: int) -> Iterator[View]:
        """Yield a view for each of `count` equal parts of the step's pictures, in their order.

        Each part has draws of noise of its own: of three parts the first has the draws 0, 3, 6, the second 1, 4, 7.
        """
        if count == 1:
            yield self
            return
        for i in range(count):
            numbers = None
            if self.numbers is not None:
                each = self.numbers.shape[1] // count
                numbers = self.numbers[:, i * each : (i + 1) * each]
            part = View(self.config, numbers, self.noise)
            part.draw, part.apart = i, count
            yield part
