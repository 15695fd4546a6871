"""How should products be cut? Every product of the step with every tile and number of splits, then the whole step.

A plan is a tile and a number of splits (`plan` in gpunet/backend/tensor_cores.py and tiled.py). Here a product runs as
training runs it, with its factors ready, but gets each plan in turn. Of the whole step it is asked for how many blocks
the usual plans should be made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import Any
from unittest import mock

from benchmarks.gpu.products import Product, products
from benchmarks.gpu.sized import Settings
from benchmarks.measure.replays import ours_replayed
from benchmarks.measure.timing import ours_on_cuda
from benchmarks.measure.workloads import Ours, Workload
from gpunet.backend import tensor_cores, tiled, use_precision
from gpunet.backend.graph import computing_stream, working_on

ORDER = ("bf16", "tf32", "fp32", "tf32x3", "fp16")  # the deadline may cut the last ones
SPLITS = (1, 2, 4, 8, 16, 32)
TILES = {
    tensor_cores: (tensor_cores.HUGE, tensor_cores.WIDE, tensor_cores.TALL, tensor_cores.SMALL),
    tiled: (tiled.WIDE, tiled.TALL, tiled.SMALL, tiled.NARROW),
}
SHORTEST = {tensor_cores: 4, tiled: 16}  # a split gets at least so much of the depth: tiles there, numbers here
BLOCKS = {tensor_cores: (60, 120, 240), tiled: (64, 128, 256)}
NARROW, COLUMNS = 8, 64  # columns: of the narrow tile, and of those that every product may take
COPIES, REPLAYS = 20, 50
ONE = "one plan"  # of a product that is not cut by a page of TILES


def run(settings: Settings) -> None:
    """Keep a row per precision and number of blocks, then one per precision and product: see `row`."""
    wanted = [precision for precision in ORDER if precision in settings.precisions]
    for precision in wanted:
        for blocks in BLOCKS[home_of(precision)][0 if settings.full else -1 :]:
            us = 1e6 * step_seconds(settings, precision, blocks)
            settings.add("steps", {"precision": precision, "blocks": blocks, "us": us})
    for precision in wanted:
        with use_precision(precision), working_on(computing_stream()):
            for product in products(settings):
                settings.add("products", {"precision": precision} | row(product, settings))


def home_of(precision: str) -> ModuleType:
    """Return the page that cuts the large products of a precision."""
    return tiled if precision == "fp32" else tensor_cores


# ---- one product ----------------------------------------------------------------------------------------------------


def row(product: Product, settings: Settings) -> dict[str, Any]:
    """Return the microseconds of a product with every plan that its sizes allow, the usual and the fastest plan.

    Products of pictures as cells (conv/of_cells.py) and of a discriminator's last layer (inner_products.py) have one
    plan, which they do not ask for.
    """
    runs = [product.ready(*product.arrays("float32")) for _ in range(2)]
    with cutting() as asked:
        for run in runs:
            run()  # and rounds its weight
    by, usual, tried = plans_of(asked[0], settings) if asked else (ONE, ONE, {ONE: None})
    times = {}
    for name, cut in tried.items():
        with cutting(cut):
            seconds = ours_replayed([runs[i % 2] for i in range(settings.times(COPIES))])
        times[name] = 1e6 * min(seconds() for _ in range(settings.times(4)))
    best = min(times, key=times.__getitem__)
    return {"name": product.name, "gflop": product.gflop, "by": by, "usual": usual, "best": best, "us": times}


def plans_of(asked: tuple[ModuleType, tuple[int, ...]], settings: Settings) -> tuple[str, str, dict[str, Any]]:
    """Return the name of the page that cuts a product, and as text its usual plan and all plans to try."""
    home, sizes = asked
    usual = home.plan(*sizes)
    tried = {usual, *cuts(home, sizes[1], sizes[2], SPLITS if settings.full else SPLITS[:2])}
    return home.__name__.rpartition(".")[2], title(usual), {title(cut): cut for cut in tried}


@contextlib.contextmanager
def cutting(cut: Any = None) -> Iterator[list[tuple[ModuleType, tuple[int, ...]]]]:
    """Note each product that is cut in the block: the page that cuts it, and (rows, columns, depth, phases).

    cut: the plan that the products get instead of their usual one.
    """
    asked = []

    def choose(home: ModuleType, usual: Any, *sizes: int) -> Any:
        asked.append((home, sizes))
        return cut or usual(*sizes)

    with contextlib.ExitStack() as stack:
        for home in TILES:
            stack.enter_context(mock.patch.object(home, "plan", partial(choose, home, home.plan)))
        yield asked


def cuts(home: ModuleType, n: int, depth: int, splits: tuple[int, ...]) -> list[Any]:
    """Return the plans that make sense for n columns and this depth.

    A tile of which half would stay empty is left out, unless it is among the smallest. Example: for 48 columns no tile
    of 128 columns is tried.
    """
    fitting = [t for t in TILES[home] if t.columns < max(COLUMNS + 1, 2 * n) and (t.columns > NARROW or n <= NARROW)]
    counts = [count for count in splits if count == 1 or count * SHORTEST[home] <= depth]
    return [home.Plan(tile, count) for tile in fitting for count in counts]


def title(cut: Any) -> str:
    """Return a plan as text: "wide/4" is the wide tile with 4 splits."""
    return f"{cut.tile.name}/{cut.splits}"


# ---- the whole step -------------------------------------------------------------------------------------------------


def step_seconds(settings: Settings, precision: str, blocks: int) -> float:
    """Return the seconds of a training step whose products are cut into about so many blocks."""
    home, replays = home_of(precision), settings.times(REPLAYS)
    with use_precision(precision), mock.patch.object(home, "BLOCKS", blocks), new_plans(home):
        side = Ours(Workload.named(settings.workload()), "cuda")
        with side.running():
            for _ in range(4):
                side.step()
            ((_, graph),) = side.stepper.graphs.values()
            timer = ours_on_cuda(side.stepper.stream, replays)
            return min(timer(lambda: graph(side.stepper.stream)) for _ in range(settings.times(4)))


@contextlib.contextmanager
def new_plans(home: ModuleType) -> Iterator[None]:
    """Forget the plans that were made before the block, and at its end those that were made in it."""
    home.plan.cache_clear()
    try:
        yield
    finally:
        home.plan.cache_clear()
