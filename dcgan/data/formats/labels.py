"""Classes from folders: photos/cat/1.jpg is a cat."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from dcgan.data.formats.listing import Listing
from dcgan.errors import UserError


def label(listing: Listing, mode: str) -> None:
    """Give a listing the labels that --labels asks for.

    auto    picture files: the classes of their folders where `folder_classes` finds any; arrays: their own labels
    folder  the classes of the folders, or a UserError
    none    no labels
    """
    if mode == "none":
        return
    found = folder_classes(listing.names) if listing.names else listing.own_labels() if mode == "auto" else None
    if found:
        listing.labels, listing.classes = found
    elif mode == "folder":
        raise UserError(
            "--labels folder: expected every image in one of at least 2 subfolders, one per class; "
            "--labels auto takes them where they are, --labels none goes without"
        )


def folder_classes(names: Sequence[str]) -> tuple[np.ndarray, list[str]] | None:
    """(labels, class names) where all files lie in two or more subfolders of the folder that holds them all, else None.

    The classes are the subfolders' names in sorted order; deeper folders do not matter.
    Example: cat/1.jpg, dog/old/2.jpg gives labels [0, 1] and classes ["cat", "dog"].
    """
    folders = [name.rpartition("/")[0] for name in names]
    top = os.path.commonpath(folders) if all(folders) else ""
    below = [folder[len(top) :].strip("/").split("/")[0] for folder in folders]
    classes = sorted(set(below))
    if len(classes) < 2 or classes[0] == "":
        return None
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[name] for name in below], np.int64), classes
