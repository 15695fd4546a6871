"""Numbers for what a generator makes: `measure` draws pictures by a run and compares their features with real ones.

    frechet.py kernel_distance.py neighbours.py   the numbers, functions of two arrays of features
    features/                                     from pictures to features
    quality.py                                    all numbers of a generator, in one table
    results.py                                    RUN/measure.json
    watch.py                                      the numbers while training runs, and the best checkpoint

docs/measure.md says what each number means.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dcgan.measuring.quality import measure

__all__ = ["measure"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("dcgan.measuring.quality"), name)  # late: it loads the networks
