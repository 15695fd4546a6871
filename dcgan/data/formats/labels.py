"""Classes from folders: photos/cat/1.jpg is a cat."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dcgan.data.formats.listing import Listing
from dcgan.data.recipe import label_column
from dcgan.errors import UserError
from dcgan.streams import one_line

# The names of the parts of a data set; what is left of them must agree: seg_train and seg_test, train2017 and val2017.
SPLIT = re.compile(
    "(?<![a-z])(training|train|testing|test|validation|valid|val|dev|evaluation|eval|holdout|extra"
    "|prediction|predict|pred|unlabell?ed)s?(?=set|data|images|[^a-z]|$)"
)
ORNAMENT = re.compile(
    "(?<![a-z])(set|data|dataset|images?|imgs?|pictures?|photos?|split|part|public|private)(?![a-z])|[^a-z]"
)
HUMP = re.compile("(?<=[a-z])(?=[A-Z])")  # PublicTest is Public and Test
NUMBERED = re.compile(r"(\D*?)((?:^-)?\d+)(.*)", re.ASCII | re.DOTALL)
SHARD = re.compile(r"\d{5,}", re.ASCII)
EVEN = 0.9  # shards hold at least this share of the fullest one's pictures, the last of them any number
STYLEGAN = "dataset.json"  # a file of StyleGAN's data sets: {"labels": [["00000/img00000000.png", 3], ...]}
MOST_CLASSES = 10_000


def label(listing: Listing, mode: str) -> None:
    """Give a listing the labels that --labels asks for.

    auto    picture files: those of a StyleGAN dataset.json, else the classes of their folders where `folder_classes`
            finds any; arrays: their own labels
    folder  the classes of the folders, or a UserError
    none    no labels
    :NAME   the column of that name, of data that has columns
    """
    if mode == "none":
        return
    found = own_classes(listing, mode)
    if found:
        listing.labels, listing.classes = found
    elif mode == "folder":
        raise UserError(
            "--labels folder: expected every image in one of at least 2 subfolders, one per class; "
            "--labels auto takes them where they are, --labels none goes without"
        )


def own_classes(listing: Listing, mode: str) -> tuple[np.ndarray, list[str]] | None:
    """(labels, class names) that the data itself has, None where it has none; mode: see `label`."""
    column = label_column(mode)
    if column or listing.names is None:
        return listing.own_labels(column) if column or mode == "auto" else None
    if mode == "auto" and (file := stylegan_file(listing)):
        return stylegan_labels(listing, *file)
    found = folder_classes(listing.names, shards=mode == "auto")
    if not found and mode == "auto" and folder_classes(listing.names):
        listing.notes += ("the numbered folders are shards, no classes: --labels folder takes them as classes",)
    return found


def folder_classes(names: Sequence[str], shards: bool = False) -> tuple[np.ndarray, list[str]] | None:
    """(labels, class names) where all files lie in two or more subfolders of the folder that holds them all, else None.

    The classes are the subfolders' names in sorted order, numbers as numbers; deeper folders do not matter. Folders
    that are called train, test and the like are passed through: the classes are the folders in them, see `splits`. With
    `shards`, there are none where the folders just number the pictures, see `are_shards`.
    Example: cat/1.jpg, dog/old/2.jpg gives labels [0, 1] and classes ["cat", "dog"], as do train/cat/1.jpg and
    test/dog/2.jpg.
    """
    folders = [name.strip("/").rpartition("/")[0] for name in names]
    while True:
        top = os.path.commonpath(folders) if all(folders) else ""
        rest = [folder[len(top) :].strip("/") for folder in folders]
        below = [unicodedata.normalize("NFC", folder.split("/", 1)[0]) for folder in rest]
        found = set(below)
        if len(found) < 2 or "" in found or (shards and are_shards(below)):
            return None
        if not (rests := splits(found)):
            break
        if len(set(rests.values())) > 1:  # trainA, trainB, testA, testB: the classes are A and B
            below = [rests[name] for name in below]
            break
        folders = [folder.partition("/")[2] for folder in rest]
    return numbered(below)


def numbered(texts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(the class number of each text, the names of the classes): the classes are the different texts, sorted."""
    classes = sorted(set(texts), key=in_order)
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[text] for text in texts], np.int64), [one_line(name) for name in classes]


def splits(names: Iterable[str]) -> dict[str, str]:
    """{name: what is left of it} where folders are the parts of one data set, else {}.

    Nothing or the same is left of all: of train and test_set, of seg_train and seg_test, but not of train and car. Or
    every part has every rest: trainA, trainB, testA, testB leave A and B.
    """
    rests, words = dict[str, str](), set[tuple[str, str]]()
    for name in names:
        lower = HUMP.sub("_", name).casefold()
        if not (word := SPLIT.search(lower)):
            return {}
        left = lower[: word.start()] + " " + lower[word.end() :]
        rests[name] = ORNAMENT.sub("", left).upper()
        words.add((word[1], rests[name]))
    different, parts = set(rests.values()), {word for word, _ in words}
    return rests if len(different) == 1 or 1 < len(parts) == len(words) / len(different) else {}


def are_shards(below: Sequence[str]) -> bool:
    """Whether folders just number the pictures, as StyleGAN and FFHQ write them: 00000, 00001 ... or 00000, 01000 ...

    Their names are numbers of five digits or more at equal steps, and they hold equally many pictures, the last one
    perhaps fewer.
    """
    counts = Counter(below)
    names = sorted(counts)
    if not all(map(SHARD.fullmatch, names)) or len({len(name) for name in names}) > 1 or names[0][0] != "0":
        return False
    steps = set(np.diff([int(name) for name in names]).tolist())
    return len(steps) == 1 and min(counts[name] for name in names[:-1]) >= EVEN * max(counts.values())


def in_order(name: str) -> tuple[str, int, str]:
    """The key that sorts class names: by what stands before the first number, then by the number: 1 2 10, s1 s2 s10."""
    match = NUMBERED.fullmatch(name)
    return (match[1], int(match[2]), name) if match and len(match[2]) < 1000 else (name, -1, name)


def stylegan_file(listing: Listing) -> tuple[str, Any] | None:
    """(folder, "labels") of the dataset.json that StyleGAN's tool writes into a data set's folder; None: no such file.

    "labels" is null or pairs of a name and a label.
    """
    names = listing.names or []
    folders = [name.rpartition("/")[0] for name in names]
    top = os.path.commonpath(folders) if all(folders) else ""
    steps = top.split("/") if top else []
    for folder in ("".join(f"{step}/" for step in steps[:depth]) for depth in range(len(steps) + 1)):
        try:
            content = json.loads(listing.beside(folder + STYLEGAN) or b"null")
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and "labels" in content:
            return folder, content["labels"]
    return None


def stylegan_labels(listing: Listing, folder: str, labels: Any) -> tuple[np.ndarray, list[str]] | None:
    """The labels that a dataset.json gives the pictures; None, with a note, where it gives some of them none."""
    if labels is None:
        return None
    names = listing.names or []
    found: list[Any]
    try:
        known = {f"{folder}{name}".replace("\\", "/"): number for name, number in labels}
        found = [known.get(name) for name in names]
    except (TypeError, ValueError):
        found = [None]
    if not all(type(number) is int and 0 <= number < MOST_CLASSES for number in found):
        listing.notes += (f"{STYLEGAN} does not give every picture a whole number as its label: they have none",)
        return None
    return np.array(found, np.int64), [str(number) for number in range(max(found) + 1)]
