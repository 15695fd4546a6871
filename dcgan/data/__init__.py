"""Images for training: `open_source` finds and reads them, `Loader` hands them out in shuffled batches.

The names below are imported when they are first used: the command line needs no more than dcgan.data.recipe, and the
rest brings h5py and Pillow, which take a quarter of a second.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dcgan.options import parse_size

if TYPE_CHECKING:
    from dcgan.data.loader import Batch, Loader
    from dcgan.data.opening import open_source
    from dcgan.data.source import ArraySource, Source, require_batch

__all__ = ["ArraySource", "Batch", "Loader", "Source", "open_source", "parse_size", "require_batch"]
MODULES = {"open_source": "opening", "Batch": "loader", "Loader": "loader"}  # the others are in source.py


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"dcgan.data.{MODULES.get(name, 'source')}"), name)
