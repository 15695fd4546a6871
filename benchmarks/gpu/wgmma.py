"""The kernels for Hopper GPUs (--conv wgmma): their own check, every product they take, and the step with them.

It is a section of its own: should a launch fail, the GPU refuses all else that its process asks for.
"""

from __future__ import annotations

from functools import partial

from benchmarks.gpu.correctness import BOUNDS, REPEATS, checked, is_right, one
from benchmarks.gpu.products import Product, products
from benchmarks.gpu.racing import RIVALS, row
from benchmarks.gpu.sized import Settings
from gpunet.backend import choices, hopper, use, use_conv, use_precision


def run(settings: Settings) -> None:
    """Keep what the check says, then a row per product and precision, and one per step; elsewhere, that it is skipped.

    Where the check fails, its words are all that is kept.
    """
    if not choices.hopper():
        settings.keep(skipped="no Hopper GPU here")
        return
    for precision in choices.OF_WGMMA:
        try:
            settings.add("checks", {"precision": precision, "said": hopper.check(precision), "right": True})
        except RuntimeError as error:
            settings.add("checks", {"precision": precision, "said": str(error), "right": False})
            return
    for product in products(settings):
        check_product(settings, product)
    for factor in (1, 2):
        for precision in choices.OF_WGMMA:
            with use_conv("wgmma"):
                step = row(settings, settings.workload(factor), precision, RIVALS[-1:])
            settings.add("steps", step | {"conv": "wgmma"})


def check_product(settings: Settings, product: Product) -> None:
    """Keep a row per precision for a product that these kernels take."""
    which, arrays = product.part.replace(" ", "_"), product.arrays("float32")
    with use("reference"):
        exact = product.call(product.arrays("float64"))
    for precision in choices.OF_WGMMA:
        with use_conv("wgmma"), use_precision(precision):
            if hopper.takes(which, product.sizes, precision):
                found = checked(partial(one, product, arrays), [exact], settings.times(REPEATS))
                found |= {"name": f"{product.name} by wgmma", "precision": precision}
                settings.add("products", found | {"right": is_right(found, BOUNDS[precision])})
