"""When things come in a run: the first checkpoint, the learning rate of a step, the last step."""

from __future__ import annotations

import math
import time

from dcgan.config import Config


class Early:
    """Says once that the first minutes have passed, with no checkpoint so far; of 0 minutes never.

    A run that ends in its first minutes, before the first checkpoint is due, would otherwise lose all. The checkpoint
    that is saved then is removed when the next one is saved. So a run that goes to its end keeps the same steps with
    and without it; a run that was killed in between has one more, as after Ctrl-C.
    """

    def __init__(self, minutes: float) -> None:
        self.at = time.monotonic() + 60 * minutes if minutes else math.inf

    def due(self) -> bool:
        """Return whether the time has come."""
        return time.monotonic() >= self.at


def learning_rate(config: Config, epoch: int, done: float, first: float | None = None) -> float:
    """Return Adam's learning rate in an epoch (counted from 1), when a part `done` of the run, 0 to 1, lies behind.

        constant   first
        step       first * decay^floor(epoch / period)          fabulousjeong/dcgan-tensorflow: 0.2 and 3
        linear     first * (1 - done)

    first: the rate that the network begins with; None: --lr.
    """
    rate = config.lr if first is None else first
    if config.lr_schedule == "step":
        return rate * config.lr_decay ** (epoch // config.lr_period)
    if config.lr_schedule == "linear":
        return rate * (1 - done)
    return rate


def last_step(config: Config, count: int) -> int:
    """Return the steps of a whole run over so many pictures."""
    if config.steps:
        return config.steps
    if config.last_batch == "wrap":
        return -(-config.epochs * count // config.pictures_per_step)
    return config.epochs * (count // config.pictures_per_step)
