"""The labels that lie beside an array of images, as class numbers: whole numbers, names, or a one among zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dcgan.data.formats.labels import MOST_CLASSES, numbered
from dcgan.errors import UserError

Labels = tuple[np.ndarray, list[str]]  # (N,) int64, and the names of the classes


def class_numbers(labels: Any, count: int, origin: object, known: Sequence[str] | None = None) -> Labels:
    """Return the class of each of `count` images, from 0 on, and the names of the classes.

    known: the names, where the file tells them; else whole numbers are their own names.

    whole numbers  as they are, also as floating point, as true and false, or as a column (N, 1). If they are all the
                   numbers from 1 on and no names are known, class 0 is called "1"
    names          the classes are the different names, sorted as folders are
    (N, K)         a one among zeros in every row (one-hot): its place is the class

    Raises UserError for anything else: too few, too many, below 0, over MOST_CLASSES.
    """
    labels = np.asarray(labels)
    numbers, names = as_numbers(labels, count)
    if numbers is None or numbers.shape != (count,):
        raise UserError(
            f"{origin}: labels are {labels.dtype} {labels.shape}, expected {count:,} whole numbers or names, one per "
            "image, or rows of zeros with a single 1; --labels none goes without"
        )
    low, high = span(numbers, origin)
    if known and len(known) > high and names is None:
        return numbers.astype(np.int64), list(known)
    first = int(low == 1 and len(np.unique(numbers)) == high)
    return numbers.astype(np.int64) - first, names or [str(number) for number in range(first, high + 1)]


def as_numbers(labels: np.ndarray, count: int) -> tuple[np.ndarray | None, list[str] | None]:
    """Return the class number of each image, and the names where the labels are names; None: they are no labels."""
    if labels.shape == (count, 1):
        labels = labels.reshape(count)
    numbers = whole(labels)
    if labels.shape == (count,) and numbers is None:
        return of_names(labels)
    if labels.ndim == 2 and len(labels) == count and numbers is not None:
        numbers = places_of_ones(numbers)
    return numbers, None


def span(numbers: np.ndarray, origin: object) -> tuple[int, int]:
    """Return the least and the largest class number. UserError: there are negative ones, or too large ones."""
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= MOST_CLASSES:
        raise UserError(
            f"{origin}: labels run from {low} to {high}, expected 0 to at most {MOST_CLASSES - 1}; "
            "--labels none goes without"
        )
    return low, high


def whole(labels: np.ndarray) -> np.ndarray | None:
    """Return numbers of any type as whole numbers; None where they are no numbers, or not whole."""
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64) if labels.dtype.kind == "b" else labels
    if labels.dtype.kind != "f":
        return None
    with np.errstate(all="ignore"):  # numbers of 16 bytes may be larger, or no numbers
        wide = labels.astype(np.float64)
    if not (np.abs(wide) < 2**53).all():  # NaN is not less than any number
        return None
    rounded = wide.astype(np.int64)
    return rounded if (rounded == wide).all() else None


def of_names(labels: np.ndarray) -> tuple[np.ndarray | None, list[str] | None]:
    """Return the number of each name, and the names in their order; None and None where they are no texts."""
    if labels.dtype.kind not in "USO" or not all(isinstance(label, str | bytes) for label in labels.tolist()):
        return None, None
    texts = [text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text for text in labels.tolist()]
    return numbered(texts)


def places_of_ones(rows: np.ndarray) -> np.ndarray | None:
    """Return the place of the only 1 in each row of zeros (N, K), K at least 2; None where a row is another."""
    if rows.shape[1] < 2 or not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()):
        return None
    return rows.argmax(axis=1)
