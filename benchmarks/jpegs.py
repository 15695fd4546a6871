"""Make JPEG files of the size of aligned CelebA's from drawn faces, and time their decoding."""

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

SIZE, CROP = (218, 178), 108  # height and width of a picture, side of the square cut out of it
RECIPE = Recipe((64, 64), (CROP, CROP), 3)
DECODED = 1000  # pictures at most that `decoding` decodes to find the time of one


def make_jpegs(folder: Path, count: int) -> None:
    """Write `count` JPEG files: 32 drawn faces, under 16 noises, at 41 levels of brightness."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    faces = [draw_face(0, number, SIZE).astype(np.int16) for number in range(32)]
    noise = rng.integers(-12, 13, (16, *SIZE, 3), dtype=np.int16)
    for i in range(count):
        pixels = faces[i % 32] + noise[i // 32 % 16] + (i // 512 % 41 - 20)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:06d}.jpg", quality=90)


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that the work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def decoding(data: Path, workers: int, count: int) -> float:
    """Return the seconds per picture with `workers` threads."""
    listing, some = FolderListing(data), range(min(count, DECODED))
    return seconds(lambda: list(read_all(listing, RECIPE, some, workers, progress=False))) / len(some)
