"""JPEG files as large as aligned CelebA's, made from drawn faces, and what it costs to decode them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from dcgan.data.faces.source import draw_face
from dcgan.data.formats.folder import FolderListing
from dcgan.data.recipe import Recipe
from dcgan.data.storage.reading import read_all

SIZE, CROP = (218, 178), 108  # of a picture, and the face in it
RECIPE = Recipe((64, 64), (CROP, CROP), 3)
DECODED = 1000  # pictures that the cost of one is measured with


def make_jpegs(folder: Path, count: int) -> None:
    """Write drawn faces under noise, each a little different, as JPEG files of CelebA's size."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    faces = [draw_face(0, number, SIZE).astype(np.int16) for number in range(32)]
    noise = rng.integers(-12, 13, (16, *SIZE, 3), dtype=np.int16)
    for i in range(count):
        pixels = faces[i % 32] + noise[i // 32 % 16] + (i // 512 % 41 - 20)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:06d}.jpg", quality=90)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def decoding(data: Path, workers: int, count: int) -> float:
    """Seconds per picture with so many threads."""
    listing, some = FolderListing(data), range(min(count, DECODED))
    return seconds(lambda: list(read_all(listing, RECIPE, some, workers, progress=False))) / len(some)
