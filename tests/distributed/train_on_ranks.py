"""`python -m dcgan.train` with a fault at one rank: `python train_on_ranks.py FAULT RANK OPTIONS`.

The patience of the signs of life is a few seconds here, not 18 and more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dcgan import heartbeat, train
from dcgan.data.source import ArraySource
from dcgan.errors import Collapsed, UserError
from dcgan.gan import GAN
from dcgan.run import curves
from dcgan.run.watch import Watch
from gpunet import distributed
from gpunet.distributed import find

AT = 5  # the step that the fault comes in


def patch(owner: type, name: str, fault: Callable[[int, Any, Any], None]) -> None:
    """Let a method of a class call fault(number of the call, instance, first argument) before it does its work."""
    method, calls = getattr(owner, name), iter(range(1, 10**9))

    def patched(self, first, *args, **options):
        fault(next(calls), self, first)
        return method(self, first, *args, **options)

    setattr(owner, name, patched)


def hang(number: int, *_: Any) -> None:
    if number == AT:
        while True:
            time.sleep(0.01)


def bug(number: int, *_: Any) -> None:
    if number == AT:
        raise ZeroDivisionError("a bug")


def memory(number: int, *_: Any) -> None:
    if number == AT:
        raise MemoryError("no room for 7 numbers")


def mismatch(number: int, *_: Any) -> None:
    if number == AT:
        distributed.ranks().sum(np.zeros(7))  # the others do not take part


def drift(number: int, gan: GAN, _: Any) -> None:
    if number == AT:
        gan.adam_D.data[0][0] = np.nextafter(gan.adam_D.data[0][0], np.float32(1))  # the last bit of one number


def bad_file(number: int, *_: Any) -> None:
    if number > AT:  # the loader reads ahead: batches of the first steps are there
        raise UserError("photos/7.png cannot be read")


def skip(number: int, source: ArraySource, _: Any) -> None:
    if number == AT:
        source.skipped.append(("7.png", "truncated"))


seen: list[int] = []


def collapse(number: int, _: Any, records: Any) -> None:
    if records[-1]["step"] >= AT and not seen:
        seen.append(number)
        raise Collapsed("the watch says so", records[-1]["step"], AT - 1)


FAULTS = {
    "hang": (GAN, "step", hang),
    "bug": (GAN, "step", bug),
    "memory": (GAN, "step", memory),
    "mismatch": (GAN, "step", mismatch),
    "drift": (GAN, "step", drift),
    "bad-file": (ArraySource, "batch", bad_file),
    "skip": (ArraySource, "batch", skip),
    "collapse": (Watch, "records", collapse),
}


def main() -> int:
    fault, rank, *options = sys.argv[1:]
    place = find()
    heartbeat.SILENCE, heartbeat.LEAST, heartbeat.FIRST, heartbeat.TIMES = 6, 4, 60, 5
    curves.save_plot = lambda path, run: path.write_text(str(run[1]))  # drawing takes longer than the training
    if fault in FAULTS and place and place.rank == int(rank):
        patch(*FAULTS[fault])
    return train.main(options)


if __name__ == "__main__":
    sys.exit(main())
