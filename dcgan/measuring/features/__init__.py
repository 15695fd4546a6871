"""Features: a vector of numbers that says what a picture shows. Distances of pictures are measured between features.

    dcgan.measuring.features.discriminator   the run's own D
    dcgan.measuring.features.classifier      a small classifier, trained here on the data
    dcgan.measuring.features.onnx_file       any network in an .onnx file, such as Inception

Numbers of different features do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

Labelled = tuple[np.ndarray, np.ndarray | None]  # uint8 pictures (n, H, W, C), and labels (n,), int32, if there are any
Extract = Callable[[np.ndarray, np.ndarray | None], np.ndarray]  # the same two -> features (n, F), float32


class Features(NamedTuple):
    """A way from pictures to features.

    extract   uint8 pictures (n, H, W, C) and their labels, or None -> features (n, F), float32
    origin    what goes into a result, so that it can be made again: name, hash, settings
    warning   a sentence for people, "" if there is nothing to warn of
    """

    extract: Extract
    origin: dict[str, Any]
    warning: str = ""

    def of(self, batches: Iterable[Labelled]) -> np.ndarray:
        """Return the features (N, F) of all pictures of these batches."""
        return np.concatenate([self.extract(*batch) for batch in batches])


def average_over_places(x: np.ndarray, channels: int) -> np.ndarray:
    """Return (n, F) of an array (n, ...): the mean over all axes but the first and the axis of the channels."""
    places = tuple(axis for axis in range(1, x.ndim) if axis != channels % x.ndim)
    return x.mean(axis=places, dtype="float32") if places else x
