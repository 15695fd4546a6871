"""Near duplicates by the codes of a denoising autoencoder (Radford et al., 2016, section 4.1).

    x       pictures as thumbnails, 32x32 of the centre square: 3072 numbers in colour
    code    relu(mask x W + b), 128 numbers, some of x left out at random
    x'      mask code V + c, some of the code left out
    loss    mean of (x' - x)^2

Which of the 128 numbers are above 0 makes a hash of 128 bits. The paper calls pictures of one hash near duplicates;
here hashes may differ in three bits, so that a picture that was stored as JPEG once more is found, too. All but the
first are left out. Hashes are looked up by their parts, so the time hardly grows with the number of pairs.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from tqdm import tqdm

from dcgan import quick
from dcgan.data import Source
from dcgan.doctoring.data import thumbnails
from dcgan.run.pace import LONG, in_words
from gpunet.layers import Linear, ReLU, Sequential
from gpunet.optim import Adam

SIDE, CODE = 32, 128  # pixels of a thumbnail; numbers of a code
BANDS = 4  # hashes of near duplicates differ in fewer bits than that
BATCH = 128
EPOCHS, LEAST, MOST = 30, 500, 3000  # passes over the pictures, and the fewest and most steps
KEPT_X, KEPT_CODE = 0.8, 0.5  # shares of the numbers that a mask lets through
LR = 1e-3
TIMED = 20  # steps whose time says how long all of it will take


class Autoencoder:
    """The two halves and their training, for thumbnails (N, F); mean (F,) and scale come off the numbers first."""

    def __init__(self, mean: np.ndarray, scale: float) -> None:
        self.mean, self.scale = mean, scale
        self.encoder, self.decoder = Sequential(Linear(len(mean), CODE), ReLU()), Linear(CODE, len(mean))
        self.adam = Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=LR, betas=(0.9, 0.999))

    def numbers(self, small: np.ndarray) -> np.ndarray:
        """Return thumbnails as numbers round 0: (N, F)."""
        return ((small - self.mean) / self.scale).astype("float32")

    def step(self, small: np.ndarray, rng: np.random.Generator) -> float:
        """Train on a batch of thumbnails; return the loss."""
        x = self.numbers(small)
        some_x, some_code = (
            (rng.random(shape) < kept).astype("float32") / np.float32(kept)  # divided, so that sums stay as large
            for shape, kept in ((x.shape, KEPT_X), ((len(x), CODE), KEPT_CODE))
        )
        error = self.decoder.forward(self.encoder.forward(x * some_x) * some_code) - x
        dcode = self.decoder.backward(error * np.float32(2 / error.size))
        assert dcode is not None
        self.encoder.backward(dcode * some_code, input_grad=False)
        self.adam.step()
        self.adam.zero_grad()
        return float((error**2).mean())

    def hashes(self, small: np.ndarray) -> list[bytes]:
        """Return the hash of every thumbnail: which numbers of its code are above 0, 16 bytes."""
        self.encoder.eval()
        codes = self.encoder.forward(self.numbers(small))
        self.encoder.train()
        return [row.tobytes() for row in np.packbits(codes > 0, axis=1)]


def small_pictures(pictures: np.ndarray) -> np.ndarray:
    """Return the centre square of pictures (N, H, W, C) as thumbnails, float32 (N, F)."""
    side = min(pictures.shape[1:3])
    top, left = ((length - side) // 2 for length in pictures.shape[1:3])
    return thumbnails(pictures[:, top : top + side, left : left + side], SIDE).reshape(len(pictures), -1)


def trained(source: Source, seed: int = 0, progress: bool = False) -> Autoencoder:
    """Return an autoencoder that has learnt the pictures of a source; say early how long all of this will take."""
    rng = np.random.default_rng(seed)
    some = small_pictures(source.batch(np.sort(rng.permutation(len(source))[: 10 * BATCH])))
    net = Autoencoder(some.mean(axis=0), float(some.std()) or 1.0)
    steps = 20 if quick.notice() else min(max(EPOCHS * len(source) // BATCH, LEAST), MOST)
    begun = time.monotonic()
    for step in _bar(range(steps), "Learning the pictures", " steps", progress):
        if step == TIMED:
            each = (time.monotonic() - begun) / TIMED
            _announce(each * (steps - TIMED + len(source) // BATCH), len(source))
        net.step(small_pictures(source.batch(rng.integers(0, len(source), BATCH))), rng)
    return net


def _announce(seconds: float, count: int) -> None:
    """Say how long the search will take, if that is worth a word; a batch that is compared counts as a step here."""
    if seconds >= LONG:
        print(f"looking for near duplicates among {count:,} pictures takes about {in_words(seconds)}", flush=True)


def _bar(steps: range, what: str, unit: str, progress: bool) -> tqdm:
    pause = 0.2 if sys.stderr.isatty() else 10  # seconds: a log file needs no animation
    return tqdm(steps, desc=what, unit=unit, delay=0.5, mininterval=pause, disable=not progress)


def duplicates(source: Source, seed: int = 0, progress: bool = False) -> dict[int, int]:
    """Return {index: index of the picture before it that it is nearly the same as}."""
    net, kept = trained(source, seed, progress), Kept()
    found = {}
    for start in _bar(range(0, len(source), BATCH), "Looking for near duplicates", " batches", progress):
        indices = np.arange(start, min(start + BATCH, len(source)))
        for index, code in zip(indices.tolist(), net.hashes(small_pictures(source.batch(indices))), strict=True):
            if (before := kept.find(code)) is None:
                kept.add(code, index)
            else:
                found[index] = before
    return found


class Kept:
    """The hashes of the pictures that stay, to be looked up by hashes that differ in a few bits.

    A hash is cut into BANDS parts. Two hashes that differ in fewer bits than that have an equal part, so only those
    with an equal part are compared.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}

    def add(self, code: bytes, index: int) -> None:
        """Keep a picture's hash."""
        for key in self._parts(code):
            self.places.setdefault(key, []).append((index, code))

    def find(self, code: bytes) -> int | None:
        """Return the index of a kept picture whose hash differs in fewer than BANDS bits, or None."""
        own = int.from_bytes(code)
        for key in self._parts(code):
            for index, other in self.places.get(key, []):
                if (own ^ int.from_bytes(other)).bit_count() < BANDS:
                    return index
        return None

    def _parts(self, code: bytes) -> list[tuple[int, bytes]]:
        size = len(code) // BANDS
        return [(part, code[part * size : (part + 1) * size]) for part in range(BANDS)]
