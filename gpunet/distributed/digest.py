"""Whether the ranks of a group still have the same numbers: they compare digests, which are short, instead of weights.

Every rank updates its own copy of the weights by the same summed gradients, so all copies stay the same, bit for bit. A
broken memory, or a library that sums in another order at another rank, would show here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from gpunet import backend, distributed

if TYPE_CHECKING:
    from gpunet.optim import Adam


def digest(optimizers: Iterable[Adam]) -> str:
    """Return the BLAKE2 digest of what optimisers move: weights and both moments."""
    found = hashlib.blake2b(digest_size=16)
    for optimizer in optimizers:
        for array in (*optimizer.data, *optimizer.m, *optimizer.v):
            found.update(backend.to_numpy(array).data)
    return found.hexdigest()


def drifted(optimizers: Iterable[Adam]) -> list[int]:
    """Return, at rank 0, the ranks whose numbers are not rank 0's; [] at all others, and for a process alone."""
    group = distributed.ranks()
    if group.size == 1:
        return []
    found = group.gather(digest(optimizers)) or []
    return [rank for rank, each in enumerate(found) if each != found[0]]
