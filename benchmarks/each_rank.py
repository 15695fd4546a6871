"""A rank that trains a few steps of a workload under mpirun; rank 0 prints its times, its sums, and whether all agree.

benchmarks/over_ranks.py starts this program with a JSON text as its argument: workload, steps, sync_bn, and the file
for the state of the first step. It takes one turn: the first step is compared, the next one warms up, the others are
timed from one barrier to the next, so that the slowest rank counts.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure.workloads import Batch, Workload
from dcgan.data.share import Share
from dcgan.gan import GAN
from dcgan.stepper import Inputs, Stepper
from gpunet import distributed
from gpunet.backend.devices import Array
from gpunet.distributed import ALONE, Handle, Ranks, find
from gpunet.distributed.digest import drifted


class Counted(Ranks):
    """A group of ranks that counts its sums and their bytes."""

    def __init__(self, group: Ranks) -> None:
        self.group, self.rank, self.size, self.captures = group, group.rank, group.size, group.captures
        self.sums, self.bytes = 0, 0

    def _count(self, array: Array) -> Array:
        self.sums, self.bytes = self.sums + 1, self.bytes + array.nbytes
        return array

    def sum(self, array: Array) -> None:
        self.group.sum(self._count(array))

    def begin_sum(self, array: Array) -> Handle:
        return self.group.begin_sum(self._count(array))

    def gather(self, value: Any) -> list[Any] | None:
        return self.group.gather(value)

    def barrier(self) -> None:
        self.group.barrier()


class Training:
    """A rank's share of the training of a workload, always on the same pictures and z."""

    def __init__(self, workload: Workload, sync_bn: bool) -> None:
        group = distributed.ranks()
        self.gan = GAN(replace(workload.config, sync_bn=sync_bn), np.random.default_rng(0), "cpu")
        share, whole = Share(group.rank, group.size), Batch.drawn(workload, self.gan.draws(1))
        labels = None if whole.labels is None else share.of(whole.labels)
        self.inputs = Inputs(share.of(whole.images), [share.of(z) for z in whole.zs], labels=labels)
        self.stepper, self.adams = Stepper(self.gan, "cpu", graph=False), (self.gan.adam_D, self.gan.adam_G)

    def step(self) -> float:
        """Train a step, D and G; return the seconds until all ranks have done it."""
        began = time.perf_counter()
        self.stepper(1, self.inputs)
        distributed.ranks().barrier()
        return time.perf_counter() - began

    def gradients(self) -> np.ndarray:
        """Return the gradients of the last step, of D's and of G's matrices and vectors, one behind another."""
        return np.concatenate([grad for adam in self.adams for grad in adam.grad])


def main() -> None:
    """Train the steps; rank 0 writes the first gradients, and prints a JSON text: seconds, sums, bytes, drifted."""
    given = json.loads(sys.argv[1])
    place = find()
    if place is None:
        group: Ranks = ALONE
    else:
        from gpunet.distributed.mpi import join

        group = join(place)
    counted = Counted(group)
    with distributed.among(counted):
        training = Training(Workload.named(given["workload"]), given["sync_bn"])
        training.step()
        if group.rank == 0:
            np.save(Path(given["file"]), training.gradients())
        training.step()
        before = counted.sums, counted.bytes
        seconds = [training.step() for _ in range(given["steps"])]
        steps = given["steps"]
        apart = drifted(training.adams)
    if group.rank == 0:
        sums, size = (counted.sums - before[0]) / steps, (counted.bytes - before[1]) / steps
        print(json.dumps({"ranks": group.size, "seconds": seconds, "sums": sums, "bytes": size, "drifted": apart}))
    group.finish()


if __name__ == "__main__":
    main()
