"""Listing: numbered pictures of some format, before crop and size. Every format on disk is one of these."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from dcgan.data.formats.decode import decode
from dcgan.data.recipe import Recipe


class Listing:
    """N pictures in one order for ever; a new format is a new subclass with its own `open`, or its own `image`.

    skipped      (name, reason) of what was left out already
    fingerprint  of the content: stays when the data is copied
    version      of the content and its times of change: what a cache goes by
    labels       (N,) int64, the class of each picture, or None; `dcgan.data.formats.labels.label` sets them
    classes      the names of the classes, or None
    quick        reading a picture costs next to nothing, so nothing is gained by a cache
    """

    quick = False
    fingerprint = version = ""
    labels: np.ndarray | None = None
    classes: list[str] | None = None
    skipped: list[tuple[str, str]]

    def name(self, index: int) -> str:
        """What picture `index` is called, for messages."""
        raise NotImplementedError

    def open(self, index: int) -> BinaryIO:
        """The picture file of that number, for reading."""
        raise NotImplementedError

    def image(self, index: int, recipe: Recipe) -> np.ndarray:
        """Picture `index` cropped and resized by the recipe: uint8 (H, W, C). Raises anything where it is damaged."""
        with self.open(index) as file:
            return decode(file, recipe)

    def own_labels(self) -> tuple[np.ndarray, list[str]] | None:
        """The labels that the format itself has, and their classes' names. Raises UserError where they are damaged."""
        return None

    def close(self) -> None:
        """Let go of open files."""

    def __len__(self) -> int:
        raise NotImplementedError
