"""Time the reading of pictures in a training: to the end of the first step, and per step.

    python -m benchmarks.pipeline --count 20000

The command makes JPEG files of CelebA's size in a temporary folder. It measures the time to the end of the first step,
from the files and from the cache of decoded pictures that they leave. Then it measures the steps per second, first
while pictures are decoded and then from the cache; it compares both with steps whose pictures lie in memory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.jpegs import RECIPE, SIZE, decoding, make_jpegs, seconds
from benchmarks.measure.text_table import table
from benchmarks.turns import Bench
from dcgan import quick
from dcgan.config import Config
from dcgan.data import ArraySource, Source, opening
from dcgan.data.formats.folder import FolderListing
from dcgan.data.formats.recognise import list_images
from dcgan.data.storage.reading import read_all
from dcgan.device import choose_device

CELEBA = 200_000
Row = tuple[str, float, str]  # name, value, unit


def in_memory(bench: Bench, count: int) -> Source:
    """Return the pictures that the steps will ask for, decoded into an array.

    The cache's pictures are compared with them; SystemExit where they differ.
    """
    images = np.empty((count, *RECIPE.shape), np.uint8)
    asked = np.random.default_rng([0, 0]).permutation(count)[: (bench.steps + 8) * bench.config.batch_size]
    for index, image in read_all(FolderListing(bench.data), RECIPE, asked, progress=False):
        images[index] = image
    source = replace(bench, cache=bench.cache / "compared").open()
    if not all((source.batch(asked) == images[asked]).all() for _ in ("decoded", "kept")):
        raise SystemExit("the pictures of the cache are not those of the files")
    source.close()
    return ArraySource(images, "in memory", "in memory")


def starting(bench: Bench, count: int) -> list[Row]:
    """Return the rows of a start: listing, decoding, and the time to the end of the first step."""
    listed = seconds(lambda: list_images(bench.data).close())
    one, cores = (decoding(bench.data, workers, count) for workers in (1, os.cpu_count() or 1))
    return [
        (f"listing {count:,} files", listed, "s"),
        (f"so {CELEBA:,} files", listed * CELEBA / count, "s"),
        ("decoding a picture, one thread", 1e3 * one, "ms"),
        ("decoding a picture, a thread per core", 1e3 * cores, "ms"),
        (f"so {CELEBA:,} pictures", cores * CELEBA, "s"),
        ("first step, first time", bench.first_step(), "s"),
    ]


def stepping(bench: Bench, memory: Source, count: int) -> list[Row]:
    """Return the rows of steps while pictures are decoded and of steps from the cache; steps from memory alternate."""
    source = replace(bench, cache=bench.cache / "again").open()  # with an empty cache
    first, beside = bench.times([source, memory], bench.steps)
    asked, decoded = bench.steps * bench.config.batch_size / count, 1 - source.left() / count
    source.close()
    rows = compared(f"first epoch, to {100 * decoded:.0f}% decoded", first, beside)
    if asked < decoded:  # decoding runs ahead of the steps, and the rest of the epoch needs none
        whole = 100 / (1 + (first[0] / beside[0] - 1) * asked / decoded)
        rows += [(f"so all of it, decoded after {100 * asked / decoded:.0f}%: of memory's speed", whole, "%")]
    complete(bench.open())
    rows += [("first step, from the cache", bench.first_step(), "s")]
    kept, beside = bench.times([source := bench.open(), memory], bench.steps)
    source.close()
    return rows + compared("cache", kept, beside)


def compared(name: str, own: np.ndarray, memory: np.ndarray) -> list[Row]:
    """Return the rows that compare (seconds of a step, seconds of waiting in it) with those of steps from memory."""
    return [
        (f"{name}: steps", 1 / own[0], "steps/s"),
        (f"{name}: from memory", 1 / memory[0], "steps/s"),
        (f"{name}: of memory's speed", 100 * memory[0] / own[0], "%"),
        (f"{name}: waiting for pictures", 1e3 * own[1], "ms/step"),
    ]


def complete(source: Source) -> None:
    """Wait until every picture is in the cache."""
    source.expect(np.arange(len(source)))
    while source.progress():
        time.sleep(0.1)
    source.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=20_000, metavar="N", help="number of JPEG files to make (20000)")
    parser.add_argument("--width", type=int, default=64, metavar="N", help="filters of the network's first layer (64)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="pictures per step (64)")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="number of steps to time (30)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"], help="device that trains (auto)")
    given = parser.parse_args()
    quick.cap(given, count=40, width=4, batch_size=4, steps=2)
    config = Config(width=given.width, batch_size=given.batch_size, device=given.device, channels=3)
    opening.CACHE_FROM = 0  # any number of files gets a cache, as CelebA's 200,000 do
    with tempfile.TemporaryDirectory() as folder:
        config, place = replace(config, device=choose_device(config)), Path(folder)
        bench = Bench(place / "data", place / "cache", config, given.steps)
        print(f"making {given.count:,} JPEG files of {SIZE[1]}x{SIZE[0]} ...", flush=True)
        make_jpegs(bench.data, given.count)
        memory = in_memory(bench, given.count)  # first: it verifies the pictures
        print(table(["", "", ""], [*starting(bench, given.count), *stepping(bench, memory, given.count)]))


if __name__ == "__main__":
    main()
