"""Images for training: `open_source` finds and reads them, `Loader` hands them out in shuffled batches."""

from dcgan.data.loader import Batch, Loader
from dcgan.data.opening import open_source
from dcgan.data.source import ArraySource, Source, require_batch
from dcgan.options import parse_size

__all__ = ["ArraySource", "Batch", "Loader", "Source", "open_source", "parse_size", "require_batch"]
