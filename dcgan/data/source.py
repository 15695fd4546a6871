"""Source: images as training gets them, all of one size, any of them at any time.

The subclasses differ in where the images are: in memory (ArraySource), in a file (dcgan.data.storage), or nowhere until
they are drawn (dcgan.data.faces).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcgan.errors import UserError

NAMED = 20  # classes whose names the description gives


class Source:
    """N uint8 images of shape (H, W, C); each subclass has its own `batch`.

    shape        (N, H, W, C), C = 1 (grey) or 3 (RGB)
    description  one line for people: what it is, how many, of what size
    fingerprint  a hash that changes when the images or their order may have changed; a resumed run compares it
    skipped      (name, reason) of every file that could not be read
    labels       (N,) int64, the class of each image from 0 on, or None where the data has none
    classes      the names of the classes, or None where there are no labels
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        description: str,
        fingerprint: str,
        skipped: list[tuple[str, str]] | None = None,
        labels: np.ndarray | None = None,
        classes: list[str] | None = None,
    ):
        self.shape = shape
        self.description = description
        self.fingerprint = fingerprint
        self.skipped = list(skipped or [])
        self.labels, self.classes = labels, classes

    def batch(self, indices: np.ndarray) -> np.ndarray:
        """The images of these indices, in this order, as a new uint8 array (n, H, W, C)."""
        raise NotImplementedError

    def first(self, count: int) -> np.ndarray:
        """The first images, at most `count`."""
        return self.batch(np.arange(min(count, len(self))))

    def spread(self, count: int) -> np.ndarray:
        """At most `count` images at even distances, the first and the last among them."""
        return self.batch(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))

    def expect(self, order: np.ndarray) -> None:
        """Take note of the order in which images will be asked for, to prepare them; the base class does nothing."""

    def progress(self) -> dict[str, str]:
        """What a progress line says about the data, such as {"decoded": "37%"}; empty where all images are ready."""
        return {}

    def close(self) -> None:
        """Close open files; a source in memory has none."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.shape[1], self.shape[2]

    @property
    def channels(self) -> int:
        return self.shape[3]


class ArraySource(Source):
    """Images held in memory: a uint8 array (N, H, W, C)."""

    def __init__(
        self,
        images: np.ndarray,
        description: str,
        fingerprint: str,
        skipped: list[tuple[str, str]] | None = None,
        labels: np.ndarray | None = None,
        classes: list[str] | None = None,
    ):
        if images.ndim != 4 or images.dtype != np.uint8:
            raise ValueError(f"images are {images.dtype} {images.shape}; expected uint8 (N, H, W, C)")
        super().__init__(images.shape, description, fingerprint, skipped, labels, classes)
        self.images = images

    def batch(self, indices: np.ndarray) -> np.ndarray:
        return self.images[np.asarray(indices)]


def require_batch(source: Source, batch_size: int) -> None:
    """Raise UserError where the source cannot fill a single batch."""
    if batch_size < 1:
        raise UserError(f"batch size {batch_size}: expected 1 or more")
    if len(source) < batch_size:
        raise UserError(
            f"{source.description}: fewer images than one batch of {batch_size}; "
            f"give a --batch-size of at most {len(source)} or more images"
        )


def describe(
    shape: tuple[int, int, int, int],
    what: str,
    skipped: int = 0,
    classes: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """'1,234 images 64x64x3 of 2 classes from pets: 0 cat, 1 dog (2 skipped)', and the notes behind it."""
    count, height, width, channels = shape
    tail = f" ({skipped:,} skipped)" if skipped else ""
    kinds = f" of {len(classes)} class{'es' if len(classes) > 1 else ''}" if classes else ""
    text = f"{count:,} images {height}x{width}x{channels}{kinds} from {what}{named(classes or [])}{tail}"
    return "; ".join([text, *notes])


def named(classes: Sequence[str]) -> str:
    """': 0 cat, 1 dog', the first twenty classes; empty where classes are just called by their numbers."""
    if all(name == str(number) for number, name in enumerate(classes)):
        return ""
    some = ", ".join(f"{number} {name}" for number, name in enumerate(classes[:NAMED]))
    return f": {some}" + (" and so on" if len(classes) > NAMED else "")
