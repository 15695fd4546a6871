"""The built-in data set: drawn faces, each a pure function of (seed, number, size). No download, no files."""

from __future__ import annotations

import numpy as np

from dcgan.data.faces import features, hair, head
from dcgan.data.faces.canvas import Canvas
from dcgan.data.faces.traits import draw_traits
from dcgan.data.source import Source, describe

COUNT = 8192


def draw_face(seed: int, number: int, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Face `number` of a seed as uint8 (H, W, channels), drawn from the back to the front."""
    t = draw_traits(seed, number)
    canvas = Canvas(size, t.centre, t.scale, t.tilt)
    canvas.backdrop(*t.backdrop)
    hair.hair_behind(canvas, t)
    head.body(canvas, t)
    head.ears(canvas, t)
    head.head(canvas, t)
    hair.beard(canvas, t, 0.17 * t.yaw)
    features.nose(canvas, t)
    features.mouth(canvas, t)
    features.eyes(canvas, t)
    hair.hair_on_top(canvas, t)
    if t.glasses:
        features.glasses(canvas, t)
    if t.hat:
        hair.hat(canvas, t)
    picture = canvas.finished()
    return np.asarray(picture.convert("L") if channels == 1 else picture).reshape(*size, channels)


class FacesSource(Source):
    """`count` drawn faces; each is drawn when first asked for and then kept, if all of them fit into memory_limit."""

    def __init__(
        self,
        image_size: tuple[int, int] = (64, 64),
        channels: int = 3,
        seed: int = 0,
        count: int = COUNT,
        memory_limit: int = 2**31,
    ):
        shape = (count, *image_size, channels)
        super().__init__(shape, describe(shape, f"built-in drawn faces, seed {seed}"), f"faces {seed} {shape}")
        self.seed = seed
        keep = int(np.prod(shape)) <= memory_limit
        self._kept = np.empty(shape, np.uint8) if keep else None  # the system gives memory only as faces are drawn
        self._drawn = np.zeros(count, bool)

    def face(self, number: int) -> np.ndarray:
        """One face (H, W, C). Two threads may draw the same face at once; they write the same pixels."""
        if self._kept is None:
            return draw_face(self.seed, number, self.image_size, self.channels)
        if not self._drawn[number]:
            self._kept[number] = draw_face(self.seed, number, self.image_size, self.channels)
            self._drawn[number] = True
        return self._kept[number]

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return np.stack([self.face(int(number)) for number in indices])
