"""How long a sum over ranks takes, on paper: rings and trees of links, and sums that travel during a backward pass.

Bandwidths are published, latencies are assumed; nothing here was measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Link(NamedTuple):
    """What connects two ranks: bandwidth in one direction in 10^9 bytes per second, and the seconds of a message."""

    name: str
    gigabytes: float
    latency: float


# Bandwidths are the published ones; the latencies, from one rank's memory to the next one's, are assumptions.
NVLINK = Link("NVLink", 450, 2e-6)  # H100 datasheet: 900 GB/s, both directions together
INFINIBAND = Link("400 Gbit InfiniBand", 50, 5e-6)
ETHERNET = Link("100 Gbit Ethernet", 12.5, 15e-6)
GIGABIT = Link("1 Gbit Ethernet", 0.125, 50e-6)


class Cluster(NamedTuple):
    """Ranks in rings: (ranks of a ring, their link), from the innermost ring outwards; tree: the last one is a tree."""

    name: str
    rings: tuple[tuple[int, Link], ...]
    cpu: bool = False
    tree: bool = False

    @property
    def ranks(self) -> int:
        """How many ranks there are in all."""
        return math.prod(ranks for ranks, _ in self.rings)

    def all_reduce(self, size: float) -> float:
        """Return the seconds until all ranks have the sum of `size` bytes.

        Each inner ring first gives every rank the sum of one share, 1/ranks of the bytes; the outer rings add up those
        shares, all at once; then the inner ring hands the sums round.
        """
        seconds = 0.0
        for number, (ranks, link) in enumerate(self.rings, 1):
            way = tree_seconds if self.tree and number == len(self.rings) else ring_seconds
            seconds += way(size, ranks, link)
            size /= ranks
        return seconds


def ring_bytes(size: float, ranks: int) -> float:
    """Return the bytes that each rank of a ring sends to add up `size` bytes: 2 (R-1)/R of them."""
    return 2 * (ranks - 1) / ranks * size


def ring_seconds(size: float, ranks: int, link: Link) -> float:
    """Return the seconds of a ring all-reduce: 2 (R-1)/R size / bandwidth + 2 (R-1) latency."""
    return ring_bytes(size, ranks) / (link.gigabytes * 1e9) + 2 * (ranks - 1) * link.latency


def tree_seconds(size: float, ranks: int, link: Link) -> float:
    """Return the seconds of an all-reduce up a binary tree and down again: 2 size / bandwidth + 2 log2(R) latency.

    The bytes travel in many small pieces, so that all levels of the tree are busy at once; two trees, in which other
    ranks are leaves, share the bytes (Sanders, Speck & Traff, "Two-tree algorithms for full bandwidth broadcast",
    2009). NCCL chooses it between machines where the ring's 2 (R-1) messages, one after the other, take longer.
    """
    return 2 * size / (link.gigabytes * 1e9) + 2 * math.ceil(math.log2(ranks)) * link.latency


# ---- during a backward pass -----------------------------------------------------------------------------------------


class Layer(NamedTuple):
    """A layer in the backward pass of its network: its seconds, and the bytes of its gradients: matrices, vectors."""

    seconds: float
    bytes: float
    vectors: float = 0.0


def buckets(backward: Sequence[Layer], bucket: float) -> list[tuple[float, float]]:
    """Return for each sum of a backward pass when it can begin, in seconds, and its bytes.

    A bucket of matrices is full with `bucket` bytes or more. What is left goes at the end of the pass, matrices, then
    vectors (gpunet/distributed/gradients.py).
    """
    now, held, found = 0.0, 0.0, []
    for layer in backward:
        now, held = now + layer.seconds, held + layer.bytes
        if held >= bucket:
            found.append((now, held))
            held = 0.0
    return found + [(now, left) for left in (held, sum(layer.vectors for layer in backward)) if left]


def exposed(backward: Sequence[Layer], all_reduce: Callable[[float], float], bucket: float) -> float:
    """Return the seconds by which the last sum comes after the end of the backward pass.

    Example: two layers of 1 s each, with gradients that take 3 s and 1 s to add up, one bucket each. The first bucket
    leaves at 1 s and arrives at 4 s; the second, ready at 2 s, waits until then and arrives at 5 s: 3 s too late.
    """
    free = 0.0  # when the link is free again
    for ready, size in buckets(backward, bucket):
        free = max(free, ready) + all_reduce(size)
    return max(0.0, free - sum(layer.seconds for layer in backward))
