"""What test_groups.py runs on every rank: `python on_ranks.py numpy`; each check fails by an AssertionError.

With `cupy` instead of `numpy` the arrays lie on a GPU, which all ranks may share.
"""

from __future__ import annotations

import importlib
import sys
import time
import traceback

import numpy as np

from gpunet import backend, distributed, layers
from gpunet.backend.devices import to_numpy
from gpunet.backend.loss_scale import SCALE
from gpunet.distributed.digest import drifted
from gpunet.distributed.mpi import join
from gpunet.optim import Adam

xp = importlib.import_module(sys.argv[1])


def sums(group: distributed.Ranks) -> None:
    """Whole numbers of every dtype are summed exactly, in place, at once or begun and waited for in any order."""
    total = group.size * (group.size + 1) // 2  # 1 + 2 + ... + size
    for dtype in ("float32", "float64", "int32", "int64", "uint8"):
        array = xp.full((3, 5), group.rank + 1, dtype)
        group.sum(array)
        assert (array == total).all(), (dtype, array)
    arrays = [xp.full(size, (group.rank + 1) * 10.0**i, "float32") for i, size in enumerate((1, 100_000, 7))]
    handles = [group.begin_sum(array) for array in arrays]
    for handle in handles[1:]:
        handle.poke()
    for handle in reversed(handles):
        handle.wait()
        handle.wait()
    for i, array in enumerate(arrays):
        assert (array == total * 10.0**i).all(), array


def same_bits(group: distributed.Ranks) -> None:
    """All ranks get the same bits of sums that round, of sizes for which libraries take other algorithms."""
    for size in (1, 1000, 300_000):
        array = xp.asarray(np.random.default_rng(group.rank).standard_normal(size).astype("float32"))
        group.begin_sum(array).wait()
        found = group.gather(int(to_numpy(array).view(np.uint32).astype(np.uint64).sum()))
        assert found is None or len(set(found)) == 1, found


def objects(group: distributed.Ranks) -> None:
    """Objects of unequal length are gathered in order and told; arrays are broadcast from any rank."""
    mine = {"rank": group.rank, "text": "é" * group.rank, "large": 2**127 + group.rank}
    found = group.gather(mine)
    if group.rank == 0:
        assert found is not None and [each["rank"] for each in found] == list(range(group.size))
        assert found[-1] == {"rank": group.size - 1, "text": "é" * (group.size - 1), "large": 2**127 + group.size - 1}
    else:
        assert found is None
    assert group.tell({"from": group.rank, "none": None}) == {"from": 0, "none": None}
    array = xp.full((2, 3), group.rank, "float32")
    group.broadcast(array, root=1)
    assert (array == 1).all() and isinstance(array, xp.ndarray)
    local_ranks = group.gather(group.local_rank)
    assert local_ranks is None or sorted(local_ranks) == list(range(group.size)) == list(range(group.local_size))


def beats(group: distributed.Ranks) -> None:
    """Each rank hears the newest number of the one before, and nothing twice."""
    group.beat(1)
    group.beat(100 + group.rank)
    group.barrier()
    until, found = time.monotonic() + 10, None
    while found != 100 + (group.rank - 1) % group.size and time.monotonic() < until:
        heard = group.heard()
        found = found if heard is None else heard
    assert found == 100 + (group.rank - 1) % group.size, found
    assert group.heard() is None


def overflow(group: distributed.Ranks) -> None:
    """Gradients of a scaled loss that are infinite at one rank are skipped at all, and all halve the scale."""
    layer = layers.Linear(3, 2)
    adam = Adam(layer.parameters(), lr=0.1, loss_scale=16.0)
    for gradient, scale in ((np.inf, 8), (1 + group.rank, 8)):
        before = layer.weight.data.copy()
        for parameter in layer.parameters():
            parameter.grad = np.full_like(parameter.data, gradient if group.rank == group.size - 1 else 1)
        adam.step()
        assert adam.scaling is not None and adam.scaling[SCALE] == scale
        assert (layer.weight.data == before).all() == np.isinf(gradient)
        adam.zero_grad()
    assert drifted([adam]) == []
    adam.v[0][0] += group.rank == 1
    assert drifted([adam]) == ([1] if group.rank == 0 else [])


def misuse(group: distributed.Ranks) -> None:
    """An array whose numbers lie apart is refused: its copy would be summed, and the sum lost."""
    for use in (group.sum, group.begin_sum, group.broadcast):
        try:
            use(xp.zeros((4, 4))[:, ::2])
        except ValueError as error:
            assert "contiguous" in str(error)
        else:
            raise AssertionError(f"{use} took it")


def main() -> None:
    place = distributed.find()
    assert place is not None
    group = join(place)
    try:
        assert (group.rank, group.size) == place[:2]
        with distributed.among(group), backend.use("reference"):
            assert distributed.ranks() is group
            for check in (sums, same_bits, objects, beats, overflow, misuse):
                check(group)
        assert distributed.ranks() is distributed.ALONE
    except BaseException:
        traceback.print_exc()
        group.abort(1)
    print(f"rank {group.rank} is done")
    group.finish()


if __name__ == "__main__":
    main()
