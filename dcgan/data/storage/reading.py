"""Reading the pictures of a listing: many decoded at once by threads, handed over in their order."""

from __future__ import annotations

import hashlib
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from dcgan.data.formats.listing import Listing, digest
from dcgan.data.limits import Room, available_cores
from dcgan.data.recipe import Recipe, Wanted
from dcgan.data.source import ArraySource, describe
from dcgan.errors import UserError
from dcgan.streams import error_text, one_line

BLOCK = 32  # pictures that a thread decodes before it hands them over
GREY_SAMPLE = 128  # pictures looked at first for colours
GREY_MOST = 2_000  # pictures looked at before a data set is called grey: of 1% in colour, one is among them

Indices = Sequence[int] | np.ndarray
Decoded = np.ndarray | str  # an image (H, W, C), or the reason why there is none


def read_one(listing: Listing, index: int, recipe: Recipe) -> Decoded:
    """Picture `index` as an image, or the reason why it can't be read."""
    try:
        return listing.image(index, recipe)
    except UnidentifiedImageError:
        return "not a picture of a known format"
    except Exception as error:  # noqa: BLE001  (damaged files make Pillow and zlib raise nearly anything)
        return error_text(error)


def read_all(
    listing: Listing, recipe: Recipe, indices: Indices, workers: int | None = None, progress: bool = True
) -> Iterator[tuple[int, Decoded]]:
    """(index, image or reason) for every index, in order, decoded by `workers` threads (default: one per core)."""
    workers = workers or available_cores()
    blocks = [indices[i : i + BLOCK] for i in range(0, len(indices), BLOCK)]
    bar = tqdm(total=len(indices), desc="Reading images", unit=" images", delay=0.5, disable=not progress)
    with bar, quiet_pillow(), ThreadPoolExecutor(workers) as pool:
        running: deque = deque()  # a few blocks per thread, so that memory stays bounded
        for block in [*blocks, *[None] * (2 * workers)]:
            if block is not None:
                running.append((block, pool.submit(_read_block, listing, recipe, block)))
            if running and (block is None or len(running) > 2 * workers):
                done, future = running.popleft()
                yield from zip(done, future.result(), strict=True)
                bar.update(len(done))


def _read_block(listing: Listing, recipe: Recipe, indices: Indices) -> list[Decoded]:
    return [read_one(listing, int(index), recipe) for index in indices]


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Hide Pillow's warnings of odd files while pictures are read; `decode` raises what matters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def with_channels(listing: Listing, recipe: Recipe) -> Recipe:
    """The recipe with its channels settled: 1 where a sample spread over the data is all grey, else 3.

    Where the sample is not all of the data, a note of the listing says how many pictures were looked at.
    """
    if recipe.channels:
        return recipe
    in_colour = replace(recipe, channels=3)
    for size in (GREY_SAMPLE, GREY_MOST):
        sample = np.linspace(0, len(listing) - 1, min(size, len(listing))).astype(int)
        with quiet_pillow():
            if not is_grey(listing, in_colour, sample):
                return in_colour
    if len(listing) > GREY_MOST and not listing.grey:
        listing.notes += (f"grey, as are all of the {GREY_MOST:,} pictures looked at (--channels 3: colour)",)
    return replace(recipe, channels=1)


def is_grey(listing: Listing, recipe: Recipe, sample: np.ndarray) -> bool:
    """Whether at least one picture of the sample can be read, and all that can are grey."""
    if listing.grey:
        return True
    readable = False
    for start in range(0, len(sample), GREY_SAMPLE):
        unsure = [index for index in sample[start : start + GREY_SAMPLE].tolist() if not listing.is_grey(index)]
        readable |= len(unsure) < len(sample[start : start + GREY_SAMPLE])
        for _, image in read_all(listing, recipe, unsure, None, False):
            if not isinstance(image, str):
                readable = True
                if not (image == image[..., :1]).all():
                    return False
    return readable


def read_into_memory(listing: Listing, wanted: Wanted, room: Room) -> ArraySource:
    """Every readable picture of the listing, in memory."""
    recipe, what = wanted.recipe, str(wanted.path)
    images = np.empty((len(listing), *recipe.shape), np.uint8)
    skipped, good = list(listing.skipped), list[int]()
    for index, image in read_all(listing, recipe, range(len(listing)), room.workers, room.progress):
        if isinstance(image, str):
            skipped.append((one_line(listing.name(index)), image))
        else:
            images[len(good)] = image
            good.append(index)
    require_some(len(good), skipped, what)
    images = images[: len(good)]  # the rest was never written, so it takes no memory
    labels = None if listing.labels is None else listing.labels[good]
    description = describe(images.shape, one_line(what), len(skipped), listing.classes, listing.notes)
    return ArraySource(images, description, fingerprint(listing, recipe), skipped, labels, listing.classes)


def fingerprint(listing: Listing, recipe: Recipe) -> str:
    """The fingerprint of the images that a recipe makes of a listing, in memory or packed."""
    labelled = [] if listing.labels is None else [hashlib.blake2b(listing.labels.tobytes()).hexdigest()]
    return digest([listing.fingerprint, recipe.to_json(), *labelled])


def require_some(count: int, skipped: list[tuple[str, str]], what: str) -> None:
    """Raise UserError where `count`, the number of pictures that could be read, is 0."""
    if count == 0:
        name, reason = skipped[0]
        raise UserError(f"none of the {len(skipped)} image files of {what} could be read; the first, {name}: {reason}")
