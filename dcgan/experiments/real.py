"""The pictures of a data set, as the networks of a run take them: of its size, crop and channels, batch by batch."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from dcgan import cli, options
from dcgan.config import Config
from dcgan.data import Source
from dcgan.errors import UserError
from dcgan.sampling import BATCH
from dcgan.session import open_data
from dcgan.trained import Trained


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a data set."""
    parser.add_argument("--data", metavar="PATH", help="real pictures (those that the run learnt from)")
    parser.add_argument("--most", metavar="N", help="look at no more than N pictures, spread over the data (all)")


def config_of(given: argparse.Namespace, by: Trained, data: str | None) -> Config:
    """Return the config that opens the data of a command; data: a path in place of the run's own data."""
    most = None if given.most is None else options.named("--most", options.integer(1), given.most)
    if data is None:
        return replace(by.config, train_size=most or by.config.train_size)
    # A pattern, labels and a number of pictures belong to the data that the run learnt from.
    return replace(by.config, data=data, pattern=None, labels="auto", train_size=most)


@contextmanager
def opened(config: Config) -> Iterator[Source]:
    """Open the pictures for a block, and say what they are. Raises UserError."""
    source = open_data(config, progress=True)
    try:
        cli.say(source.description)
        yield source
    finally:
        source.close()


def batches(source: Source, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Yield (indices, pictures, labels) of all pictures from `first` on, in order, at most BATCH at a time."""
    for start in range(first, len(source), BATCH):
        indices = np.arange(start, min(start + BATCH, len(source)))
        pictures = source.batch(indices)
        yield indices, pictures, None if source.labels is None else np.asarray(source.labels)[indices]


def labels_for(by: Trained, labels: np.ndarray | None) -> np.ndarray | None:
    """Return the labels that the networks have to be told: none if they take none. Raises UserError."""
    if by.config.classes is None:
        return None
    if labels is None:
        raise UserError(f"--data: the networks of {by.run} are told classes, and these pictures have no labels")
    if len(labels) and int(labels.max()) >= by.config.classes:
        raise UserError(f"--data: has the class {int(labels.max())}, expected 0 to {by.config.classes - 1}")
    return labels
