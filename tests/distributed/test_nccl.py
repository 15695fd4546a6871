"""Nccl: what it asks of NCCL's communicator, with a stand-in that notes the calls; nothing here sums over real GPUs."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from gpunet.distributed.base import DONE, Alone, Ranks

NAMES = ("SUM", "FLOAT32", "FLOAT64", "INT32", "INT64", "UINT8")


class Communicator:
    """Notes the calls; its sum of one rank's array is the array."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def allReduce(self, *arguments) -> None:  # noqa: N802  (CuPy's name)
        self.calls.append(("allReduce", *arguments))

    def broadcast(self, *arguments) -> None:
        self.calls.append(("broadcast", *arguments))

    def destroy(self) -> None:
        self.calls.append(("destroy",))


class Control(Alone):
    """Notes what is left to MPI."""

    threads = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name):
        if name in ("sum", "begin_sum", "broadcast", "gather", "tell", "barrier", "finish", "abort", "beat", "heard"):
            object.__getattribute__(self, "calls").append(name)
        return object.__getattribute__(self, name)


@pytest.fixture
def group(monkeypatch):
    cupy = pytest.importorskip("cupy")
    from gpunet.distributed.nccl import Nccl

    names = {f"NCCL_{name}": 100 + i for i, name in enumerate(NAMES)}
    stand_in = types.SimpleNamespace(available=True, **names)
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", stand_in)
    monkeypatch.setattr(cupy.cuda, "nccl", stand_in, raising=False)
    return Nccl(Control(), Communicator())


@pytest.mark.cuda
def test_arrays_of_a_gpu_go_to_nccl_on_the_streams_that_are_meant(group):
    import cupy

    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for i, dtype in enumerate(("float32", "float64", "int32", "int64", "uint8"), 1):
            array = cupy.zeros((3, 4), dtype)
            group.sum(array)
            group.broadcast(array, 2)
            handle = group.begin_sum(array)
            handle.wait()
            at, kind = array.data.ptr, 100 + i
            assert group.communicator.calls == [
                ("allReduce", at, at, 12, kind, 100, stream.ptr),
                ("broadcast", at, at, 12, kind, 2, stream.ptr),
                ("allReduce", at, at, 12, kind, 100, group.stream.ptr),
            ]
            group.communicator.calls.clear()
        with pytest.raises(ValueError, match="contiguous"):
            group.sum(cupy.zeros((4, 4))[:, ::2])
    assert group.control.calls == [] and group.stream.ptr != stream.ptr


@pytest.mark.cuda
def test_all_else_goes_to_mpi(group):
    array = np.zeros(3)
    group.sum(array)
    assert group.begin_sum(array) is DONE
    group.broadcast(array)
    assert group.gather(1) == [1] and group.tell(2) == 2 and group.heard() is None
    group.beat(1)
    group.barrier()
    group.abort(1)
    group.finish()
    wanted = ["sum", "begin_sum", "broadcast", "gather", "tell", "heard", "beat", "barrier", "abort", "finish"]
    assert group.control.calls == wanted and group.communicator.calls == [("destroy",)]
    assert (group.rank, group.size, group.captures, group.threads, group.waiting) == (0, 1, True, True, False)


def test_every_method_of_a_group_is_handed_on():
    """Nccl has each public method itself: an inherited one would do nothing, as for a process alone."""
    pytest.importorskip("cupy")
    from gpunet.distributed.nccl import Nccl

    assert {name for name, value in vars(Ranks).items() if callable(value) and name[0] != "_"} <= vars(Nccl).keys()
