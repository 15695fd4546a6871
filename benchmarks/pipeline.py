"""What reading pictures costs a training: python -m benchmarks.pipeline --count 20000

Makes JPEG files as large as CelebA's in a temporary folder and measures how soon training starts, from the files and
from the cache they leave, and how fast it steps in the first epoch, from the cache and from memory.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.jpegs import CROP, RECIPE, SIZE, decoding, make_jpegs, seconds
from benchmarks.tables import table
from dcgan.config import Config
from dcgan.data import ArraySource, Loader, Source, open_source, opening
from dcgan.data.formats import list_images
from dcgan.data.listing import FolderListing
from dcgan.data.reading import read_all
from dcgan.device import choose_device
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Stepper
from gpunet import backend

CELEBA, ROUNDS = 200_000, 3
Row = tuple[str, float, str]  # what, how much, of what


@dataclass(frozen=True)
class Bench:
    """The data in a folder, its cache beside it, and the network that trains."""

    data: Path
    cache: Path
    config: Config
    steps: int

    def open(self) -> Source:
        return open_source(self.data, (64, 64), CROP, 3, cache_dir=self.cache, progress=False)

    def first_step(self) -> float:
        """Seconds from nothing to the end of a run's first step."""
        began = time.perf_counter()
        source = self.open()
        self.times([source], 1)
        taken = time.perf_counter() - began
        source.close()
        return taken

    def times(self, sources: Sequence[Source], steps: int) -> np.ndarray:
        """Median seconds of a step and mean seconds of waiting for a batch after the first; sources take turns."""
        rng, config, batch_size = np.random.default_rng(0), self.config, self.config.batch_size
        stepper = Stepper(GAN(config, rng, config.device), config.device, config.graph)
        seconds = np.zeros((steps, len(sources), 2))
        with ExitStack() as stack:
            stack.enter_context(stepper.running())
            loaders = [stack.enter_context(Loader(source, batch_size, seed=0)) for source in sources]
            for number, turn in np.ndindex(steps, len(sources)):
                began = time.perf_counter()
                batch, waited = next(loaders[turn]), time.perf_counter() - began
                stats = stepper(number + 1, batch.images, [draw_z(rng, batch_size, config)])
                [float(backend.to_numpy(value)) for value in stats.values()]  # until they are there
                seconds[number, turn] = time.perf_counter() - began, waited
        return np.stack([np.median(seconds[..., 0], axis=0), seconds[min(1, steps - 1) :, :, 1].mean(axis=0)], axis=1)


def in_memory(bench: Bench, count: int) -> Source:
    """The pictures that the steps will ask for, decoded one by one into an array, and compared with the cache's."""
    images = np.empty((count, *RECIPE.shape), np.uint8)
    asked = np.random.default_rng([0, 0]).permutation(count)[: (ROUNDS * bench.steps + 8) * bench.config.batch_size]
    for index, image in read_all(FolderListing(bench.data), RECIPE, asked, progress=False):
        images[index] = image
    source = replace(bench, cache=bench.cache / "compared").open()
    if not all((source.batch(asked) == images[asked]).all() for _ in ("decoded", "kept")):
        raise SystemExit("the pictures of the cache are not those of the files")
    source.close()
    return ArraySource(images, "in memory", "in memory")


def starting(bench: Bench, count: int) -> list[Row]:
    """What comes before a first step."""
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


def stepping(bench: Bench, memory: Source) -> list[Row]:
    """Steps while pictures are decoded and steps from memory in rounds, then from the cache and memory in turn."""
    held, late = np.empty((ROUNDS, 2)), np.empty((ROUNDS, 2))
    for turn in range(ROUNDS):
        bench = replace(bench, cache=bench.cache / "again")  # an empty one
        (held[turn],), source = bench.times([memory], bench.steps), bench.open()
        (late[turn],), decoded = bench.times([source], bench.steps), source.progress().get("decoded", "100%")
        source.close()
    complete(bench.open())
    rows: list[Row] = [("first step, from the cache", bench.first_step(), "s")]
    from_cache, beside = bench.times([source := bench.open(), memory], bench.steps)
    source.close()
    first, again = (np.median(late, axis=0), np.median(held, axis=0)), (from_cache, beside)
    for name, (own, others) in ((f"first epoch, to {decoded} decoded", first), ("cache", again)):
        rows += [(f"{name}: steps", 1 / own[0], "steps/s"), (f"{name}: from memory", 1 / others[0], "steps/s")]
        rows += [(f"{name}: of memory's speed", 100 * others[0] / own[0], "%")]
        rows += [(f"{name}: waiting for pictures", 1e3 * own[1], "ms/step")]
    return rows


def complete(source: Source) -> None:
    """Wait until every picture is in the cache."""
    source.expect(np.arange(len(source)))
    while source.progress():
        time.sleep(0.1)
    source.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, metavar="N", help="JPEG files to make (20000)")
    parser.add_argument("--width", type=int, default=32, metavar="N", help="filters of the network's first layer (32)")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N", help="pictures per step (64)")
    parser.add_argument("--steps", type=int, default=30, metavar="N", help="steps to time (30)")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    given = parser.parse_args()
    config = Config(width=given.width, batch_size=given.batch_size, device=given.device, channels=3)
    opening.CACHE_FROM = 0  # so that few files, too, are treated as CelebA's 200,000
    with tempfile.TemporaryDirectory() as folder:
        config, place = replace(config, device=choose_device(config)), Path(folder)
        bench = Bench(place / "data", place / "cache", config, given.steps)
        print(f"making {given.count:,} JPEG files of {SIZE[1]}x{SIZE[0]} ...", flush=True)
        make_jpegs(bench.data, given.count)
        memory = in_memory(bench, given.count)  # compares them, so first
        print(table(["", "", ""], [*starting(bench, given.count), *stepping(bench, memory)]))


if __name__ == "__main__":
    main()
