"""How should products be cut? Every product of the step with every tile and number of splits, in graphs."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu.products import Product, products
from benchmarks.gpu.sized import Settings
from benchmarks.measure.replays import ours_replayed
from gpunet import backend
from gpunet.backend import tiled, use_precision
from gpunet.backend.graph import computing_stream, working_on

SPLITS = (1, 2, 4, 8, 16, 32)
TILES = ("WIDE", "TALL", "SMALL", "NARROW")
COPIES = 20


def run(settings: Settings) -> None:
    """Keep a row per product: the plan that is usual, the fastest, and the microseconds of all."""
    precision = "bf16" if "bf16" in settings.precisions else "fp32"
    settings.keep(precision=precision)
    with use_precision(precision), working_on(computing_stream()):
        for product in products(settings):
            settings.add("products", row(product, settings.times(COPIES), settings.full))


def row(product: Product, copies: int, full: bool) -> dict[str, Any]:
    """Return the times of a product with every plan that its sizes allow."""
    m, n, k, phases = product.plan()
    usual, times = tiled.plan(m, n, k, phases), {}
    for cut in {usual, *cuts(n, k, SPLITS if full else SPLITS[:2])}:
        sets = [[backend.to_device(a.astype("float32"), "cuda") for a in product.factors()] for _ in range(2)]
        runs = [lambda f=sets[i % 2], cut=cut: product.call(f, cut=cut) for i in range(copies)]
        seconds = ours_replayed(runs)
        seconds()
        times[title(cut)] = 1e6 * min(seconds() for _ in range(3))
    best = min(times, key=times.__getitem__)
    return {"name": product.name, "gflop": product.gflop, "usual": title(usual), "best": best, "us": times}


def cuts(n: int, k: int, splits: tuple[int, ...]) -> list[tiled.Plan]:
    """Return the plans that make sense for n columns and depth k."""
    tiles = [getattr(tiled, name) for name in TILES if hasattr(tiled, name)]
    fitting = [tile for tile in tiles if (tile.columns <= 8) == (n <= 8) or (n <= 8 and tile.columns <= 64)]
    return [tiled.Plan(tile, count) for tile in fitting for count in splits if count * 16 <= k]


def title(cut: tiled.Plan) -> str:
    """Return a plan as text: "wide/4" is the wide tile with 4 splits."""
    return f"{cut.tile.name}/{cut.splits}"
